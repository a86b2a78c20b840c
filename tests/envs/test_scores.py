"""Human-normalised scores."""

from __future__ import annotations

import numpy as np
import pytest

from envs import atari_games
from envs.scores import human_normalised, reference_scores


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
