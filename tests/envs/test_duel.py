"""The toy duel: both players' frames, and exact values of strategies, compared with games and analysis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from envs.duel import PAYOFF, ROUNDS, Duel, frames_of
from tests.exact_values import Strategy, best_response, points_between, situations

CHOICES = arrays(np.int64, (ROUNDS, 3, 3), elements=st.integers(0, 2))
ROCK = np.eye(3)[np.zeros((ROUNDS, 3, 3), np.int64)]


def strategy_of(choices: np.ndarray) -> Strategy:
    """Return a deterministic strategy; the first round has one situation only."""
    table = np.eye(3)[choices]
    table[0] = table[0, 0, 0]
    return table


def play(one: Strategy, other: Strategy) -> float:
    """Play one game of two strategies on the env's frames; return the points of `one`."""
    env = Duel(1)
    step, points = env.reset(0), 0.0
    rows = situations()
    while not step.terminated.any():
        at = [int((rows == step.frame[0, player]).all(1).argmax()) for player in (0, 1)]
        chosen = [table.reshape(-1, 3)[row].argmax() for table, row in zip((one, other), at, strict=True)]
        step = env.step(np.array([chosen]))
        points += float(step.reward[0, 0])
    return points


@given(CHOICES, CHOICES)
def test_values_are_those_of_games_that_are_played(one: np.ndarray, other: np.ndarray) -> None:
    first, second = strategy_of(one), strategy_of(other)
    assert points_between(first, second) == play(first, second) == -points_between(second, first)


def test_what_one_wins_the_other_loses_and_each_sees_own_choices_first() -> None:
    env, rng = Duel(5), np.random.default_rng(0)
    step = env.reset(0)
    assert step.first.all()
    for _ in range(3 * (ROUNDS + 1)):
        actions = rng.integers(3, size=(5, 2))
        step = env.step(actions)
        np.testing.assert_array_equal(step.reward[:, 0], -step.reward[:, 1])
        won = np.where(step.first, 0, PAYOFF[actions[:, 0], actions[:, 1]])
        np.testing.assert_array_equal(step.reward[:, 0], won)
        mirrored = np.concatenate([step.frame[:, 0, 3:6], step.frame[:, 0, :3], step.frame[:, 0, 6:]], axis=1)
        np.testing.assert_array_equal(step.frame[:, 1], mirrored)


@given(st.lists(CHOICES, min_size=1, max_size=3), CHOICES, st.integers(0, 99))
def test_nothing_wins_more_than_the_best_response(members: list[np.ndarray], rival: np.ndarray, seed: int) -> None:
    """The best response wins its stated points against the mixture, and no other strategy wins more."""
    mixture, weights = [strategy_of(choices) for choices in members], np.random.default_rng(seed).random(len(members))
    points, found = best_response(mixture, weights)

    def against_all(one: Strategy) -> float:
        return sum(w * points_between(one, other) for w, other in zip(weights / weights.sum(), mixture, strict=True))

    assert against_all(found) == pytest.approx(points)
    assert against_all(strategy_of(rival)) <= points + 1e-9


def test_known_strategies() -> None:
    """The best response to rock wins 2 points a round; to 1/4 rock, 1/4 paper, 1/2 scissors it wins 0."""
    assert best_response([ROCK], np.ones(1))[0] == 2.0 * ROUNDS
    optimal = np.broadcast_to([0.25, 0.25, 0.5], (ROUNDS, 3, 3, 3))
    assert best_response([optimal], np.ones(1))[0] == pytest.approx(0.0)


def test_a_memory_of_the_first_round_tells_members_apart() -> None:
    """A mixture of pure strategies drawn once per game is exploitable from the second round on."""
    pure = [np.eye(3)[np.full((ROUNDS, 3, 3), choice)] for choice in range(3)]
    points, _ = best_response(pure, np.array([0.25, 0.25, 0.5]))
    assert points == pytest.approx((ROUNDS - 1) * (0.25 * 2 + 0.25 * 1 + 0.5 * 1))


def test_a_frame_is_one_of_the_situations_until_the_end() -> None:
    rows = situations()
    assert rows.shape == (ROUNDS * 9, Duel(1).spec.frame_shape[0])
    assert len(np.unique(rows, axis=0)) == 1 + 9 * (ROUNDS - 1)
    over = frames_of(np.array([ROUNDS]), np.array([1]), np.array([2]))
    assert over[0, 6:].sum() == 0
