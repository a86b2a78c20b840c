"""An env whose pixels encode env, episode and step, for tests of all code that moves frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.base import TimeStep
from envs.checks import checked_action, checked_seed
from tests.specs import spec_of

Ending = Literal["terminated", "truncated"]
NUM_ACTIONS = 3
_CODE = np.dtype([("env", ">u4"), ("episode", ">u4"), ("t", ">u4")])


class Code(NamedTuple):
    """The code on a frame: env, its episode (from 0, over all resets), actions since the first frame."""

    env: int
    episode: int
    t: int


def encode(env: int, episode: int, t: int) -> NDArray[np.uint8]:
    """Return the frame uint8 [84, 84] with this code; its other pixels also differ from step to step."""
    frame = np.full((84, 84), (31 * env + 17 * episode + 7 * t) % 256, np.uint8)
    frame[0, : _CODE.itemsize] = np.frombuffer(np.array((env, episode, t), _CODE).tobytes(), np.uint8)
    return frame


def decode(frame: NDArray[np.uint8]) -> Code:
    """Return the code on a frame uint8 [84, 84]."""
    code = np.frombuffer(np.ascontiguousarray(frame[0, : _CODE.itemsize]).tobytes(), _CODE)[0]
    return Code(int(code["env"]), int(code["episode"]), int(code["t"]))


def reward_of(env: int, episode: int, t: int) -> float:
    """Return the raw reward that arrives with frame t >= 1: whole numbers from -5 to 5, so that clipping shows."""
    return float((3 * env + 5 * episode + 2 * t) % 11 - 5)


class CodedEnv:
    """E envs with fixed episodes; actions change nothing.

    Episode i of env e has `lengths[(e + i) % len(lengths)]` actions and ends as `endings[(e + i) %
    len(endings)]`; a life is lost with frame t for t in `life_lost_at`, where the episode does not end there.
    An action takes 4 emulator frames, 3 where it ends the episode.
    """

    def __init__(
        self,
        num_envs: int = 2,
        *,
        lengths: Sequence[int] = (5, 3, 8),
        endings: Sequence[Ending] = ("terminated", "truncated"),
        life_lost_at: Sequence[int] = (),
    ) -> None:
        self.num_envs = num_envs
        self.spec = spec_of(actions=NUM_ACTIONS)
        self.protocol: Mapping[str, str | int | float | bool] = {"suite": "coded"}
        self.actions: list[NDArray[np.int64]] = []
        """Every action [E] so far, used or not, in order."""
        self._lengths, self._endings, self._life_lost_at = tuple(lengths), tuple(endings), tuple(life_lost_at)
        self._episode = np.full(num_envs, -1)
        self._t = np.zeros(num_envs, np.int64)

    def length(self, env: int, episode: int) -> int:
        """Return the number of actions of this episode."""
        return self._lengths[(env + episode) % len(self._lengths)]

    def ending(self, env: int, episode: int) -> Ending:
        """Return how this episode ends."""
        return self._endings[(env + episode) % len(self._endings)]

    def reset(self, seed: int) -> TimeStep:
        """Begin the next episode everywhere; the seed is checked and has no effect."""
        checked_seed(seed, self.num_envs)
        self._episode += 1
        self._t[:] = 0
        return self._observe()

    def step(self, action: NDArray[np.integer[Any]]) -> TimeStep:
        """Take one step of every env."""
        self.actions.append(checked_action(action, self.num_envs, self.spec.num_actions))
        over = np.array([self._t[e] == self.length(e, self._episode[e]) for e in range(self.num_envs)])
        self._episode += over
        self._t = np.where(over, 0, self._t + 1)
        return self._observe()

    def _observe(self) -> TimeStep:
        codes = [Code(e, int(self._episode[e]), int(self._t[e])) for e in range(self.num_envs)]
        first = self._t == 0
        over = np.array([c.t == self.length(c.env, c.episode) for c in codes])
        final = np.array([self.ending(c.env, c.episode) == "terminated" for c in codes])
        return TimeStep(
            frame=np.stack([encode(*code) for code in codes]),
            reward=np.array([0.0 if code.t == 0 else reward_of(*code) for code in codes], np.float32),
            first=first,
            terminated=over & final,
            truncated=over & ~final,
            life_lost=np.isin(self._t, self._life_lost_at) & ~over & ~first,
            frames=np.where(first, 0, np.where(over, 3, 4)).astype(np.int64),
        )

    def render(self) -> NDArray[np.uint8]:
        """Return env 0 in grey, uint8 [84, 84, 3]."""
        return np.stack([self._observe().frame[0]] * 3, axis=-1)

    def close(self) -> None:
        """Do nothing: there is nothing to free."""
