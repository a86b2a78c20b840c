"""A two-player game whose strategies can be evaluated exactly: two rounds of uneven rock, paper, scissors.

Both choose simultaneously and see both choices afterwards. Paper beats rock by two points, other wins count one. The
game is zero-sum with value 0, so the payoff of a best response is the distance of a strategy from optimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from envs.base import EnvSpec
from envs.checks import checked_seed
from envs.two_players import TwoPlayerStep, checked_actions

ROUNDS = 2  # so few that the last choices of both are the whole history
PAYOFF = np.array([[0.0, -2.0, 1.0], [2.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])  # of the row's player: rock, paper, scissors
SIZE = 6 + ROUNDS  # of a frame: own last choice, the other's (both 0 before the first round), the round; all one-hot


class Duel:
    """The toy "toy/duel" for both players: E games of two rounds, deterministic."""

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.spec = EnvSpec((SIZE,), np.dtype(np.float32), Discrete(3))
        self.protocol: Mapping[str, str | int | float | bool] = {
            "suite": "toy",
            "env": "toy/duel",
            "num_actions": 3,
            "players": 2,
        }
        self._round = np.full(num_envs, ROUNDS)
        self._last = np.zeros((num_envs, 2), np.int64)

    def reset(self, seed: int) -> TwoPlayerStep:
        """Begin a game in every env; the seed is checked, but has no effect."""
        checked_seed(seed, self.num_envs)
        self._round[:] = ROUNDS
        return self.step(np.zeros((self.num_envs, 2), np.int64))

    def step(self, actions: NDArray[np.integer[Any]]) -> TwoPlayerStep:
        """Play one round; see `TwoPlayerEnv.step`."""
        actions = checked_actions(actions, self.num_envs, 3)
        first = self._round == ROUNDS
        gain = np.where(first, 0, PAYOFF[actions[:, 0], actions[:, 1]]).astype(np.float32)
        self._round = np.where(first, 0, self._round + 1)
        self._last = actions
        return TwoPlayerStep(
            frame=np.stack([self._seen_by(player) for player in (0, 1)], axis=1),
            reward=np.stack([gain, -gain], axis=1),
            first=first,
            terminated=self._round == ROUNDS,
            truncated=np.zeros(self.num_envs, np.bool_),
            frames=np.where(first, 0, 1).astype(np.int64),
        )

    def _seen_by(self, player: int) -> NDArray[np.float32]:
        return frames_of(self._round, self._last[:, player], self._last[:, 1 - player])

    def render(self) -> NDArray[np.uint8]:
        """Return player A's frame of env 0, drawn as bars: uint8 [H, W, 3]."""
        bars = np.tile(255 * self._seen_by(0)[0], (SIZE, 1)).repeat(16, axis=0).repeat(16, axis=1)
        return np.stack([bars.astype(np.uint8)] * 3, axis=-1)

    def close(self) -> None:
        """Do nothing: there are no resources to free."""


def frames_of(played: NDArray[np.int64], own: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return frames [N, D] after `played` rounds [N], given both players' last choices [N]."""
    frame = np.zeros((len(played), SIZE), np.float32)
    rows, begun = np.arange(len(played)), (played > 0).astype(np.float32)
    frame[rows, own] = begun
    frame[rows, 3 + other] = begun
    running = played < ROUNDS
    frame[rows[running], 6 + played[running]] = 1
    return frame
