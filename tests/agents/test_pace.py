"""The speed at which a game is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.dqn.serial import SerialLoop
from agents.playback.game import pace_of, played_steps, shown_env
from envs import EnvSettings
from tests.small_run import small_settings


@pytest.mark.parametrize(
    ("env", "every", "pictures"),
    [
        (EnvSettings(id="toy/catch"), 1, 15.0),
        (EnvSettings(id="ALE/Pong-v5"), 1, 15.0),
        (EnvSettings(id="ALE/Pong-v5", frame_skip=1), 1, 60.0),
        (EnvSettings(id="FrozenLake-v1"), 1, 4.0),
        (EnvSettings(id="CartPole-v1"), 1, 50.0),
        (EnvSettings(id="HalfCheetah-v5"), 1, 20.0),
        (EnvSettings(id="Hopper-v5"), 3, 125 / 3),
    ],
)
def test_a_game_has_a_speed_of_its_own(env: EnvSettings, every: int, pictures: float) -> None:
    """The pace follows Gymnasium's render rate or the console's 60 frames a second, up to a display's rate."""
    settings = replace(small_settings("toy/catch"), env=env)
    shown = shown_env(settings)
    assert pace_of(shown, settings) == (every, pytest.approx(pictures))
    shown.close()


def test_steps_that_are_left_out_are_played_all_the_same() -> None:
    """Showing every fifth of twelve steps shows steps 0, 5, 10 and the last, unchanged by the skipped ones."""
    run = SerialLoop(small_settings("toy/catch"))
    games = []
    for every in (1, 5):
        env = shown_env(run.settings)
        games.append(list(played_steps(run.policy(), run.settings, env, every)))
        env.close()
    run.close()
    whole, shown = games
    assert len(whole) == 12
    for step, same in zip([whole[0], whole[5], whole[10], whole[11]], shown, strict=True):
        np.testing.assert_array_equal(step.picture, same.picture)
        assert (step.score, step.action, step.over) == (same.score, same.action, same.over)
    assert shown[-1].over
