"""Envs that require memory: a T-maze, a card recall task and CartPole without velocities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.base import EnvSpec, TimeStep
from envs.toy import Toy
from envs.vector import GymnasiumEnv

FORWARD, LEFT, RIGHT = 0, 1, 2  # actions of the T-maze
STILL = -0.1  # reward of an action that does not move
_CAP = 4  # maximum length of an episode of the T-maze, in shortest paths
_CELL = 4  # side of a cell of the T-maze in pixels
_SUITS, _DECK = 4, 52


class TMaze(Toy):
    """The toy "toy/tmaze-N": a corridor of N steps with a junction at its end, and a cue for it in the first cell.

    The frame is one-hot float32 [4]: cue left, cue right, corridor, junction. Actions: forward, left, right. In the
    corridor only forward moves. At the junction left and right end the episode, with reward 1 in the arm of the cue
    and 0 in the other. Every action that does not move costs 0.1. Episodes are truncated after 4 (N + 1) actions.

    The best score is 1; without memory the mean score is at most 0.5 (after Bakker 2002).
    """

    def __init__(self, num_envs: int, length: int) -> None:
        super().__init__(f"toy/tmaze-{length}", num_envs, 3, (4,), np.float32)
        self.length = length
        self._cue = np.full(num_envs, LEFT)
        self._place = np.zeros(num_envs, np.int64)
        self._t = np.zeros(num_envs, np.int64)

    def _begin(self, env: int, rng: np.random.Generator) -> None:
        self._cue[env] = rng.choice((LEFT, RIGHT))
        self._place[env] = self._t[env] = 0

    def _move(self, action: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        junction = self._place == self.length
        chosen, forward = junction & (action != FORWARD), ~junction & (action == FORWARD)
        self._place = self._place + forward
        self._t = self._t + 1
        reward = np.where(chosen, action == self._cue, np.where(forward, 0.0, STILL))
        return reward, chosen, self._t >= _CAP * (self.length + 1)

    def _frame(self) -> NDArray[np.float32]:
        shown = np.where(self._place == self.length, 3, np.where(self._place > 0, 2, self._cue - LEFT))
        return np.eye(4, dtype=np.float32)[shown]

    def render(self) -> NDArray[np.uint8]:
        """Return a top view of env 0, with the cue at the left and the player in orange: uint8 [H, H, 3]."""
        cells, middle = max(self.length + 1, 5), max(self.length + 1, 5) // 2
        picture = np.zeros((cells, cells, 3), np.uint8)
        picture[middle, : self.length + 1] = picture[middle - 1 : middle + 2, self.length] = 90
        picture[middle + (-1 if self._cue[0] == LEFT else 1), 0] = (70, 110, 170)
        picture[middle, self._place[0]] = (240, 150, 40)
        return picture.repeat(_CELL, axis=0).repeat(_CELL, axis=1)


class RepeatPrevious(Toy):
    """The toy "toy/repeat-previous": name the suit of the card that was dealt k - 1 cards before the newest.

    The rules of POPGym's RepeatPrevious (Morad et al. 2023): the frame is the newest card's suit, one-hot float32 [4],
    actions are suits. From the k-th card on, the reward is 1 / (cards - k) for the right suit and minus that for a
    wrong one: the best score is 1, random play gets -0.5. Decks are shuffled together; the last card truncates the
    episode.
    """

    def __init__(self, num_envs: int, k: int = 4, decks: int = 1) -> None:
        name = "toy/repeat-previous" + ("" if k == 4 else f"-{k}")
        super().__init__(name, num_envs, _SUITS, (_SUITS,), np.float32)
        self.k, self.cards = k, decks * _DECK
        self._suit = np.zeros((num_envs, self.cards), np.int64)
        self._dealt = np.ones(num_envs, np.int64)

    def _begin(self, env: int, rng: np.random.Generator) -> None:
        self._suit[env] = rng.permutation(self.cards) % _SUITS
        self._dealt[env] = 1

    def _move(self, action: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        envs = np.arange(self.num_envs)
        right = action == self._suit[envs, self._dealt - self.k]  # unused while fewer than k are dealt
        reward = np.where(self._dealt >= self.k, np.where(right, 1.0, -1.0) / (self.cards - self.k), 0.0)
        self._dealt = np.minimum(self._dealt + 1, self.cards)
        return reward, np.zeros(self.num_envs, np.bool_), self._dealt == self.cards

    def _frame(self) -> NDArray[np.float32]:
        return np.eye(_SUITS, dtype=np.float32)[self._suit[np.arange(self.num_envs), self._dealt - 1]]


class StatelessCartPole(GymnasiumEnv):
    """The toy "toy/stateless-cartpole": CartPole-v1 with cart position and pole angle, float32 [2], but no velocities.

    Rewards, termination and the limit of 500 actions are CartPole-v1's.
    """

    def __init__(self, num_envs: int) -> None:
        super().__init__("CartPole-v1", num_envs)
        self.spec = EnvSpec((2,), self.spec.frame_dtype, self.spec.actions)
        self.protocol = {**self.protocol, "env": "toy/stateless-cartpole", "shows": "places"}

    def _observe(self, observation: NDArray[Any], *rest: NDArray[Any]) -> TimeStep:
        return super()._observe(observation[:, [0, 2]], *rest)
