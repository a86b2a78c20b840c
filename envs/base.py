"""The interface of all envs, and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Protocol

import numpy as np
import tyro
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from training.settings import check_kinds

MAX_FRAME_CAP = 10**9
MAX_ACTIONS = 2**16  # replay stores an action in two bytes
TORQUES_REMEDY = "train halfcheetah --env NAME learns those"


class TimeStep(NamedTuple):
    """Result of one step of E envs, in new arrays, which may be kept but not written to.

    An episode of n actions is n + 1 time steps: one with `first`, then n others. The last one is `terminated`
    or `truncated`, and its frame is the true last observation. The action after it is ignored: that env
    returns the first frame of its next episode.
    """

    frame: NDArray[Any]  # [E, *frame_shape], the newest observation, not a stack
    reward: NDArray[np.float32]  # [E] raw game score gained by the last action; 0 where first
    first: NDArray[np.bool_]  # [E] this frame begins an episode; the action for this env was ignored
    terminated: NDArray[np.bool_]  # [E] the episode ended in a terminal state: do not bootstrap
    truncated: NDArray[np.bool_]  # [E] the episode was cut here: bootstrap from this frame
    life_lost: NDArray[np.bool_]  # [E] a life was lost, the game continues; all False without `life_signal`
    frames: NDArray[np.int64]  # [E] emulator frames of the last action; 0 where first


class EnvSpec(NamedTuple):
    """Observations and actions of an env."""

    frame_shape: tuple[int, ...]  # [H, W] or [H, W, C] pixels, [D] numbers, [1] the index of a state
    frame_dtype: np.dtype[Any]  # uint8 for pixels, float32 for vectors, int64 for numbered states
    actions: Discrete[np.int64] | Box  # discrete from 0; or J torques, float32 [J] from -1 to 1

    @property
    def num_actions(self) -> int:
        """Number of discrete actions, A.

        Raises:
            ValueError: the env takes torques.
        """
        if isinstance(self.actions, Box):
            raise ValueError(f"the environment takes {self.joints} torques, not numbered actions: {TORQUES_REMEDY}")
        return int(self.actions.n)

    @property
    def joints(self) -> int:
        """Number of torques, J; 0 for discrete actions."""
        return self.actions.shape[0] if isinstance(self.actions, Box) else 0


class BatchedEnv(Protocol):
    """E copies of one game that step together and reset themselves.

    Every step adds exactly one time step per env. Resets show only in `TimeStep.first`, and a lost life never
    causes one.
    """

    num_envs: int
    spec: EnvSpec
    protocol: Mapping[str, str | int | float | bool]
    """All rules that scores depend on, as JSON values, for the run record."""

    def reset(self, seed: int) -> TimeStep:
        """Begin an episode in every env; env e is seeded with `seed + e`.

        Raises:
            ValueError: a seed lies outside [0, 2**31 - 1].
        """
        ...

    def step(self, action: NDArray[Any]) -> TimeStep:
        """Act in every env. `action` is integer [E], each in [0, num_actions), or float [E, J], each from -1 to 1.

        Raises:
            ValueError: wrong shape, type or range; the env is unchanged.
            RuntimeError: the env was never reset.
        """
        ...

    def render(self) -> NDArray[np.uint8]:
        """Return a picture of the current state of env 0: uint8 [H, W, 3], RGB."""
        ...

    def close(self) -> None:
        """Free the envs, which cannot be used afterwards."""
        ...


@dataclass(frozen=True, kw_only=True)
class EnvSettings:
    """Game and rules. Options are for Atari games, but for `env`, `image_size` and `grayscale`.

    Raises:
        ValueError: an option is out of its range.
    """

    id: Annotated[str, tyro.conf.arg(name="env")] = "ALE/Pong-v5"
    """Atari game ("pong"), toy ("toy/catch") or Gymnasium id ("CartPole-v1", or your own "package.module:Id")."""
    sticky: float = 0.0
    """Probability that the emulator repeats the previous action, drawn at every frame."""
    life_signal: bool = False
    """Report lost lives to the learner. The game continues either way."""
    noop_max: int = 30
    """Maximum number of no-op frames before an episode, drawn from the seed; 0 for none."""
    fire_reset: bool = True
    """Press FIRE once at the start of an episode, in games that have it."""
    full_actions: bool = False
    """All 18 actions of the console, not only those the game reacts to."""
    frame_skip: int = 4
    """Emulator frames per action."""
    frame_cap: int = 108_000
    """Emulator frames after which an episode is truncated (60 a second), without the no-ops before it."""
    flicker: float = 0.0
    """Probability that a frame is black, drawn from the seed for every frame (Hausknecht and Stone 2015)."""
    image_size: int = 0
    """Side of the squares that images are scaled to; 0 is 84 in Atari games, and no scaling in others."""
    grayscale: bool = False
    """Convert images of other environments to grayscale."""

    def __post_init__(self) -> None:
        check_kinds(self, "env")
        if not self.id.strip():
            raise ValueError('env is empty: name a game, for example "ALE/Pong-v5"')
        if not 0.0 <= self.sticky < 1.0:
            raise ValueError(f"sticky is {self.sticky}: give a probability in [0, 1), usually 0 or 0.25")
        if not 0.0 <= self.flicker < 1.0:
            raise ValueError(f"flicker is {self.flicker}: give a probability in [0, 1), usually 0 or 0.5")
        if self.noop_max < 0:
            raise ValueError(f"noop_max is {self.noop_max}: give 0 for none, or the largest number of no-ops")
        if self.image_size < 0:
            raise ValueError(f"image_size is {self.image_size}: give the side of a square, usually 84, or 0")
        if self.frame_skip < 1:
            raise ValueError(f"frame_skip is {self.frame_skip}: give at least 1, usually 4")
        if not self.frame_skip <= self.frame_cap <= MAX_FRAME_CAP:
            raise ValueError(f"frame_cap is {self.frame_cap}: give frame_skip to 10**9, usually 108000")


def classic(env: str) -> EnvSettings:
    """Return rules of Mnih et al. (2015): no-op starts, minimal actions, none sticky, whole games of up to 30 minutes.

    The paper itself stops after 5. FIRE is pressed at the start, as is now common.
    """
    return EnvSettings(id=env)


def machado(env: str) -> EnvSettings:
    """Return rules of Machado et al. (2018): sticky actions (0.25), all 18 actions, whole games, no no-ops or FIRE.

    An episode takes at most 30 minutes; the paper itself stops after 5.
    """
    return EnvSettings(id=env, sticky=0.25, noop_max=0, fire_reset=False, full_actions=True)
