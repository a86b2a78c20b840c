"""A policy of toy/catch that needs no training, and data sets of its play."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.acting.episodes import play
from agents.acting.exploration import epsilon_greedy
from agents.acting.policy import Explore, PolicyOutput
from agents.imitation.record import ENDLESS, Recorder
from agents.imitation.writer import new_dataset
from agents.replay.frames import from_blocks
from envs import EnvSettings, make_env

CATCH = EnvSettings(id="toy/catch")


class CatchPlayer:
    """Moves towards the ball's column; the action depends on the newest frame alone."""

    def start(self, num_envs: int) -> None:
        """Return no carry."""

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: None, explore: Explore | None) -> PolicyOutput:
        """Return left, stay or right."""
        cells = from_blocks(frame, (84, 84))[:, ::7, ::7]
        ball = (cells == 255).any(1).argmax(1)
        paddle = (cells[:, -1] == 160).argmax(1) + 1
        action = np.sign(ball - paddle) + 1
        if explore is not None:
            random = explore.random_actions(3)
            action = np.where(random < 0, action, random)
        return PolicyOutput(action, None, frame, np.eye(3, dtype=np.float32)[action])


def catch_dataset(folder: Path, *, games: int = ENDLESS, labels: int = ENDLESS, envs: int = 4, seed: int = 0) -> Path:
    """Record the player's games, with a tenth of its actions random, and return the folder."""
    env, explore = make_env(CATCH, envs), epsilon_greedy(np.full(envs, 0.1), np.random.default_rng(seed))
    with new_dataset(folder, CATCH, env.spec, {"player": "CatchPlayer"}) as writer:
        Recorder(writer, envs, games=games, labels=labels).record(play(env, CatchPlayer(), explore, seed))
    env.close()
    return folder
