"""Ratings and draws of a league against closed forms, slow code and games between players of known strength."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.selfplay.ratings import PRIOR, elo, intransitive, mixture, pfsp, ratings
from envs.duel import PAYOFF

RATES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(RATES, st.sampled_from([0.0, 1.0, 2.0]))
def test_harder_opponents_are_drawn_more_often(rates: list[float], power: float) -> None:
    found = pfsp(np.array(rates), power)
    weights = [(1 - rate) ** power for rate in rates]
    expected = [w / sum(weights) for w in weights] if sum(weights) > 0 else [1 / len(rates)] * len(rates)
    np.testing.assert_allclose(found, expected)
    assert found.sum() == pytest.approx(1.0)


def test_of_two_players_the_odds_are_known() -> None:
    """Two players differ by 400 log10 of their odds with the prior's draws added, and by 0 at an even score."""
    points, games = np.array([[0.0, 3.0], [7.0, 0.0]]), np.array([[0.0, 10.0], [10.0, 0.0]])
    expected = 400 * np.log10((7 + PRIOR / 2) / (3 + PRIOR / 2))
    np.testing.assert_allclose(elo(points, games), [0.0, expected])
    np.testing.assert_allclose(elo(np.array([[0, 5.0], [5.0, 0]]), games), [0.0, 0.0], atol=1e-9)


def slow_elo(points: NDArray[np.float64], games: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Elo by Zermelo's iteration (1929): strength = wins / sum of games / (strength + other's)."""
    n = len(points)
    won = points + PRIOR / 2 * (1 - np.eye(n))
    played = games + PRIOR * (1 - np.eye(n))
    strength = np.ones(n)
    for _ in range(3_000):
        strength = won.sum(1) / (played / (strength[:, None] + strength[None])).sum(1)
        strength = strength / strength[0]
    return np.asarray(400 * np.log10(strength))


def tables(players: int, games: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return random points and games, with up to `games` games a pair."""
    rng = np.random.default_rng(seed)
    played = np.triu(rng.integers(0, games + 1, (players, players)), 1).astype(float)
    won = np.floor(2 * rng.random((players, players)) * played) / 2
    points = np.triu(won, 1)
    return points + np.tril((played - points).T, -1), played + played.T


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 4), st.integers(1, 20), st.integers(0, 10**6))
def test_ratings_are_those_of_slow_code(players: int, games: int, seed: int) -> None:
    points, played = tables(players, games, seed)
    np.testing.assert_allclose(elo(points, played), slow_elo(points, played), atol=0.5)


def test_the_order_of_players_does_not_matter() -> None:
    points, games = tables(4, 10, 1)
    rated = elo(points, games)
    for order in map(list, permutations(range(4))):
        again = elo(points[np.ix_(order, order)], games[np.ix_(order, order)])
        np.testing.assert_allclose(again, rated[order] - rated[order[0]], atol=1e-6)


def test_known_strengths_lie_in_the_intervals_which_shrink_with_more_games() -> None:
    true, rng = np.array([0.0, 100.0, 250.0]), np.random.default_rng(0)
    widths = []
    for games in (50, 1_000):
        results = {}
        for i, j in ((0, 1), (0, 2), (1, 2)):
            wins = rng.random(games) < 1 / (1 + 10 ** ((true[j] - true[i]) / 400))
            results[i, j] = wins.astype(float)
        found = ratings(results, 3, resamples=200, seed=0)
        assert (found.low[1:] < found.elo[1:]).all()
        assert (found.elo[1:] < found.high[1:]).all()
        widths.append((found.high - found.low)[1:])
    assert ((found.low <= true) & (true <= found.high)).all()
    assert (widths[1] < 0.5 * widths[0]).all()


def test_a_player_who_always_wins_has_a_finite_rating() -> None:
    found = ratings({(0, 1): np.zeros(20)}, 2, resamples=10, seed=0)
    assert 500 < found.elo[1] < 2_000


def test_triples_that_go_round() -> None:
    rock_paper_scissors = np.array([[0.5, 0.0, 1.0], [1.0, 0.5, 0.0], [0.0, 1.0, 0.5]])
    ladder = np.tril(np.ones((5, 5)), -1)
    assert intransitive(rock_paper_scissors) == 1.0
    assert intransitive(ladder) == 0.0
    assert intransitive(ladder[:2, :2]) == 0.0
    four = np.zeros((4, 4))
    four[:3, :3] = rock_paper_scissors
    four[3, :3] = 1.0  # the fourth player beats all three
    assert intransitive(four) == 0.25


def test_the_optimal_mixture_is_found() -> None:
    np.testing.assert_allclose(mixture(PAYOFF), [0.25, 0.25, 0.5], atol=0.02)
    np.testing.assert_allclose(mixture(np.array([[0.0, -1.0], [1.0, 0.0]])), [0.0, 1.0], atol=0.02)
