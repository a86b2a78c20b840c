"""Normalised scores and their intervals, against slow oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import atari_games
from envs.scores import human_normalised, interquartile_mean, iqm_interval, reference_scores


def test_random_is_0_and_human_is_1_in_every_game() -> None:
    for game, (random, human) in reference_scores().items():
        np.testing.assert_allclose(human_normalised(game, [random, human]), [0.0, 1.0])


def test_the_table_has_57_games_that_exist() -> None:
    assert len(reference_scores()) == 57
    assert set(reference_scores()) <= set(atari_games())
    assert reference_scores()["pong"] == (-20.7, 14.6)


def test_all_spellings_and_shapes_are_normalised() -> None:
    scores = human_normalised("ALE/Breakout-v5", np.array([[1.7, 30.5], [16.1, 59.3]]))
    np.testing.assert_allclose(scores, [[0.0, 1.0], [0.5, 2.0]])


@pytest.mark.parametrize("env", ["adventure", "CartPole-v1"])
def test_a_game_without_a_human_score_is_refused(env: str) -> None:
    with pytest.raises(ValueError, match="no human score"):
        human_normalised(env, 1.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_interquartile_mean_against_the_definition(scores: list[float]) -> None:
    middle = sorted(scores)[math.floor(len(scores) / 4) : math.ceil(len(scores) * 3 / 4)]
    assert interquartile_mean(scores) == pytest.approx(sum(middle) / len(middle), abs=1e-6)


def test_interval_resamples_runs_within_each_game() -> None:
    """Games of very different scores, but no spread within any of them: a stratified bootstrap has no spread."""
    same = np.tile(np.array([0.0, 1.0, 5.0, 100.0]), (6, 1))
    assert iqm_interval(same) == (3.0, 3.0, 3.0)


def test_interval_matches_the_exact_bootstrap() -> None:
    """Two runs of one game: of the four equally likely resamples two have mean 0.5, so half the mass lies there."""
    scores = [[0.0], [1.0]]
    assert iqm_interval(scores, confidence=0.4) == (0.5, 0.5, 0.5)
    assert iqm_interval(scores, confidence=0.6) == (0.5, 0.0, 1.0)


def test_interval_holds_its_estimate_narrows_with_runs_and_repeats() -> None:
    rng = np.random.default_rng(0)
    few, many = (iqm_interval(rng.normal(size=(runs, 5)), resamples=400) for runs in (4, 64))
    assert few.low < few.estimate < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    runs = rng.normal(size=(4, 3))
    assert iqm_interval(runs, seed=1) == iqm_interval(runs, seed=1) != iqm_interval(runs, seed=2)


@pytest.mark.parametrize("scores", [[1.0, 2.0], np.zeros((0, 3)), [[1.0, float("nan")]]])
def test_scores_must_be_runs_by_games(scores: object) -> None:
    with pytest.raises(ValueError, match="runs, games"):
        iqm_interval(scores)  # type: ignore[arg-type]
