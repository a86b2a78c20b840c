"""Two-player games, and an adapter that makes one player's side an ordinary env. Legend: E envs.

Player A is 0, player B is 1. Where a game permits it, B's frames look as if B were A, so that one network plays both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from envs.base import EnvSpec, TimeStep
from envs.checks import checked_action, checked_seed


class TwoPlayerStep(NamedTuple):
    """Result of one step of E games for both players, in new arrays; the flags are those of `TimeStep`."""

    frame: NDArray[Any]  # [E, 2, *frame_shape] as each player sees it
    reward: NDArray[np.float32]  # [E, 2] raw; 0 where first
    first: NDArray[np.bool_]  # [E]
    terminated: NDArray[np.bool_]  # [E]
    truncated: NDArray[np.bool_]  # [E]
    frames: NDArray[np.int64]  # [E] emulator frames; 0 where first


class TwoPlayerEnv(Protocol):
    """E two-player games that step together and reset themselves, as in `BatchedEnv`."""

    num_envs: int
    spec: EnvSpec  # of each player: both have the same frames and actions
    protocol: Mapping[str, str | int | float | bool]

    def reset(self, seed: int) -> TwoPlayerStep:
        """Begin a game in every env; env e is seeded with `seed + e`.

        Raises:
            ValueError: a seed lies outside [0, 2**31 - 1].
        """
        ...

    def step(self, actions: NDArray[np.integer[Any]]) -> TwoPlayerStep:
        """Act for both players in every env: integers [E, 2] in [0, num_actions).

        Raises:
            ValueError: wrong shape, type or range; the env is unchanged.
        """
        ...

    def render(self) -> NDArray[np.uint8]:
        """Return a picture of the current state of env 0: uint8 [H, W, 3], RGB."""
        ...

    def close(self) -> None:
        """Free the envs."""
        ...


class Opponents(Protocol):
    """Players of the other side in E envs."""

    name: str  # for the run record

    def start(self, seed: int, num_envs: int) -> None:
        """Begin games in all envs."""
        ...

    def answer(self, frame: NDArray[Any], first: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return actions [E] for frames [E, *frame_shape]; `first` [E] marks new games, with new opponents."""
        ...

    def over(self, env: int, points: float) -> None:
        """Record the end of the game in `env`; `points` is the learner's score minus the opponent's."""
        ...


class RandomOpponents:
    """Opponents that play uniformly at random."""

    name = "random"

    def __init__(self, num_actions: int) -> None:
        self.num_actions = num_actions

    def start(self, seed: int, num_envs: int) -> None:
        """Seed the random generator of the actions."""
        self.rng = np.random.default_rng(seed)

    def answer(self, frame: NDArray[Any], first: NDArray[np.bool_]) -> NDArray[np.int64]:
        """See `Opponents.answer`."""
        return self.rng.integers(self.num_actions, size=len(first))

    def over(self, env: int, points: float) -> None:
        """Ignore the result."""


class OpponentEnv:
    """One side of a two-player game as a `BatchedEnv`; the side is drawn for every game, opponents play the other.

    Args:
        zero_sum: rewards are half the difference between the learner's and the opponent's, so that the sign of a score
            is the result of the game; otherwise they are the learner's own.
    """

    def __init__(self, env: TwoPlayerEnv, opponents: Opponents, *, zero_sum: bool = False) -> None:
        self.env, self.opponents, self.zero_sum = env, opponents, zero_sum
        self.num_envs, self.spec = env.num_envs, env.spec
        self.protocol: Mapping[str, str | int | float | bool] = {**env.protocol, "opponent": opponents.name}
        self.lanes = np.arange(env.num_envs)
        self.last: TwoPlayerStep | None = None

    def reset(self, seed: int) -> TimeStep:
        """Begin a game in every env; sides and opponents also follow from the seed."""
        self.rng = np.random.default_rng([checked_seed(seed, self.num_envs), 2])
        self.side = np.zeros(self.num_envs, np.int64)  # of the learner
        self.points = np.zeros(self.num_envs)  # the learner's score minus the opponent's
        self.opponents.start(seed, self.num_envs)
        return self._seen(self.env.reset(seed))

    def step(self, action: NDArray[np.integer[Any]]) -> TimeStep:
        """Act in every env, simultaneously with the opponents."""
        mine = checked_action(action, self.num_envs, self.spec.num_actions)
        if self.last is None:
            raise RuntimeError("the environment was never reset: call reset(seed) before step(action)")
        other = 1 - self.side
        actions = np.empty((self.num_envs, 2), np.int64)
        actions[self.lanes, self.side] = mine
        actions[self.lanes, other] = self.opponents.answer(self.last.frame[self.lanes, other], self.last.first)
        return self._seen(self.env.step(actions))

    def _seen(self, step: TwoPlayerStep) -> TimeStep:
        self.side = np.where(step.first, self.rng.integers(2, size=self.num_envs), self.side)
        self.last = step
        own = step.reward[self.lanes, self.side]
        ahead = own - step.reward[self.lanes, 1 - self.side]
        self.points = np.where(step.first, 0.0, self.points + ahead)
        for env in np.flatnonzero(step.terminated | step.truncated):
            self.opponents.over(int(env), float(self.points[env]))
        return TimeStep(
            frame=step.frame[self.lanes, self.side],
            reward=ahead / np.float32(2) if self.zero_sum else own,
            first=step.first,
            terminated=step.terminated,
            truncated=step.truncated,
            life_lost=np.zeros(self.num_envs, np.bool_),
            frames=step.frames,
        )

    def render(self) -> NDArray[np.uint8]:
        """Return the game's picture of env 0, whichever side the learner plays."""
        return self.env.render()

    def close(self) -> None:
        """Free the envs."""
        self.env.close()


def checked_actions(actions: NDArray[np.integer[Any]], num_envs: int, num_actions: int) -> NDArray[np.int64]:
    """Return `actions` as int64 [E, 2].

    Raises:
        ValueError: they are no integers [E, 2], or one lies outside [0, num_actions).
    """
    array = np.asarray(actions)
    if array.shape != (num_envs, 2):
        raise ValueError(f"actions are {list(array.shape)}: give integers [{num_envs}, 2], one for each player")
    return checked_action(array.reshape(-1), 2 * num_envs, num_actions).reshape(num_envs, 2)
