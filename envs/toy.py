"""Envs that a correct learner solves in seconds: a ball to catch from pixels, a chain with known values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from envs.base import EnvSpec, TimeStep
from envs.checks import checked_action, checked_seed

_SIDE = 84
_CELLS = 12  # the field of the ball is 12 by 12 cells
_BLOCK = _SIDE // _CELLS
_CHAIN_STATES = 5
_CHAIN_CAP = 50


class Toy(ABC):
    """Episode bookkeeping common to all toys; see `BatchedEnv`. An action lasts one frame."""

    def __init__(
        self, name: str, num_envs: int, num_actions: int, frame_shape: tuple[int, ...], frame_dtype: Any
    ) -> None:
        self.num_envs = num_envs
        self.spec = EnvSpec(frame_shape, np.dtype(frame_dtype), Discrete(num_actions))
        self.protocol: Mapping[str, str | int | float | bool] = {
            "suite": "toy",
            "env": name,
            "num_actions": num_actions,
        }
        self._rngs: list[np.random.Generator] = []
        self._over = np.zeros(num_envs, np.bool_)

    def reset(self, seed: int) -> TimeStep:
        """Begin an episode in every env, env e seeded with `seed + e`; see `BatchedEnv.reset`."""
        seed = checked_seed(seed, self.num_envs)
        self._rngs = [np.random.default_rng(seed + e) for e in range(self.num_envs)]
        self._over = np.ones(self.num_envs, np.bool_)
        return self.step(np.zeros(self.num_envs, np.int64))

    def step(self, action: NDArray[np.integer[Any]]) -> TimeStep:
        """Act in every env; see `BatchedEnv.step`."""
        action = checked_action(action, self.num_envs, self.spec.num_actions)
        if not self._rngs:
            raise RuntimeError("the environment was never reset: call reset(seed) before step(action)")
        first = self._over
        reward, terminated, truncated = self._move(action)
        for env in np.flatnonzero(first):
            self._begin(int(env), self._rngs[env])
        terminated = terminated & ~first
        truncated = truncated & ~first & ~terminated
        self._over = terminated | truncated
        return TimeStep(
            frame=self._frame(),
            reward=np.where(first, 0, reward).astype(np.float32),
            first=first,
            terminated=terminated,
            truncated=truncated,
            life_lost=np.zeros(self.num_envs, np.bool_),
            frames=np.where(first, 0, 1).astype(np.int64),
        )

    @abstractmethod
    def _begin(self, env: int, rng: np.random.Generator) -> None:
        """Put one env at the start of an episode."""

    @abstractmethod
    def _move(self, action: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        """Act in every env: reward, terminated, truncated, each [E]. Envs that begin an episode are reset after it."""

    @abstractmethod
    def _frame(self) -> NDArray[Any]:
        """Return the newest observation, a new array [E, *frame_shape]."""

    def render(self) -> NDArray[np.uint8]:
        """Draw env 0 in grey, vectors as bars: uint8 [H, W, 3]."""
        frame = self._frame()[0]
        if frame.ndim == 1:
            frame = np.tile(255 * frame, (len(frame), 1)).repeat(16, axis=0).repeat(16, axis=1)
        return np.stack([frame.astype(np.uint8)] * 3, axis=-1)

    def close(self) -> None:
        """End all episodes."""
        self._rngs = []


class PixelCatch(Toy):
    """The toy "toy/catch": a ball falls across 84x84 pixels, bouncing off the walls, to a paddle of three cells.

    Actions: left, stay, right, one cell each. An episode is one ball, 11 actions: +1 if caught, -1 if missed.
    The ball's direction shows only in two successive frames. Every ball can be caught; random moves catch about one
    in four. "toy/catch100" has rewards of +100 and -100, of the size usual in games.
    """

    def __init__(self, num_envs: int, points: int = 1) -> None:
        name = "toy/catch" if points == 1 else f"toy/catch{points}"
        super().__init__(name, num_envs, 3, (_SIDE, _SIDE), np.uint8)
        self._points = points
        self._row = np.zeros(num_envs, np.int64)
        self._column = np.zeros(num_envs, np.int64)
        self._drift = np.ones(num_envs, np.int64)
        self._paddle = np.ones(num_envs, np.int64)  # its middle cell
        # Precomputed pictures: one for each position of the ball, a strip for each of the paddle.
        cells = np.eye(_CELLS * _CELLS, dtype=np.uint8).reshape(-1, _CELLS, _CELLS) * 255
        self._balls: NDArray[np.uint8] = cells.repeat(_BLOCK, axis=1).repeat(_BLOCK, axis=2)
        near = np.abs(np.subtract.outer(np.arange(_CELLS), np.arange(_CELLS))) <= 1
        self._paddles = (near * np.uint8(160)).repeat(_BLOCK, axis=1)[:, None, :]

    def _begin(self, env: int, rng: np.random.Generator) -> None:
        self._row[env] = 0
        self._column[env] = rng.integers(_CELLS)
        self._drift[env] = rng.choice((-1, 1))
        self._paddle[env] = rng.integers(1, _CELLS - 1)

    def _move(self, action: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        self._paddle = np.clip(self._paddle + action - 1, 1, _CELLS - 2)
        ahead = self._column + self._drift
        self._drift = np.where((ahead < 0) | (ahead >= _CELLS), -self._drift, self._drift)
        self._column = self._column + self._drift
        self._row = np.minimum(self._row + 1, _CELLS - 1)
        landed = self._row == _CELLS - 1
        caught = np.abs(self._column - self._paddle) <= 1
        return landed * np.where(caught, 1.0, -1.0) * self._points, landed, np.zeros(self.num_envs, np.bool_)

    def _frame(self) -> NDArray[np.uint8]:
        frame: NDArray[np.uint8] = self._balls[self._row * _CELLS + self._column]
        strip = frame[:, -_BLOCK:]
        np.maximum(strip, self._paddles[self._paddle], out=strip)
        return frame


class Chain(Toy):
    """The toy "toy/chain": five states in a row, the frame one-hot float32 [5].

    Actions: left (which stays in state 0) and right. Reaching state 4 gives 1 and ends the episode; all other
    rewards are 0. Episodes begin in a state from 0 to 3 and are truncated after 50 actions.
    """

    def __init__(self, num_envs: int) -> None:
        super().__init__("toy/chain", num_envs, 2, (_CHAIN_STATES,), np.float32)
        self._state = np.zeros(num_envs, np.int64)
        self._t = np.zeros(num_envs, np.int64)

    def _begin(self, env: int, rng: np.random.Generator) -> None:
        self._state[env] = rng.integers(_CHAIN_STATES - 1)
        self._t[env] = 0

    def _move(self, action: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        self._state = np.clip(self._state + 2 * action - 1, 0, _CHAIN_STATES - 1)
        self._t = self._t + 1
        arrived = self._state == _CHAIN_STATES - 1
        return arrived.astype(np.float32), arrived, self._t >= _CHAIN_CAP

    def _frame(self) -> NDArray[np.float32]:
        return np.eye(_CHAIN_STATES, dtype=np.float32)[self._state]


def chain_table() -> tuple[dict[int, dict[int, list[tuple[float, int, float, bool]]]], NDArray[np.float64], int]:
    """Return `Chain` in the form of Gymnasium's text games (`envs.text`): P, start probabilities [5], time limit.

    The last state is terminal.
    """
    end = _CHAIN_STATES - 1
    moves = {s: {a: min(max(s + 2 * a - 1, 0), end) for a in (0, 1)} for s in range(end)}
    table = {s: {a: [(1.0, to, float(to == end), to == end)] for a, to in ways.items()} for s, ways in moves.items()}
    table[end] = {a: [(1.0, end, 0.0, True)] for a in (0, 1)}
    return table, np.append(np.full(end, 1 / end), 0.0), _CHAIN_CAP
