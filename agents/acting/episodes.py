"""The loop that plays for its own sake: to judge, to show, to take pictures. Rollouts add rows to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import Acted, Explore, Policy
from agents.replay.frames import colours_of, to_blocks
from envs.base import BatchedEnv, TimeStep


class Played(NamedTuple):
    """A time step of E envs, and what the policy is about to do."""

    step: TimeStep
    acted: Acted


def play(env: BatchedEnv, policy: Policy, explore: Explore | None, seed: int) -> Iterator[Played]:
    """Every time step from the reset on, without end; the env stands where `step` shows it until the next is asked for.

    Args:
        seed: env e is seeded with `seed + e`.
    """
    colours = colours_of(env.spec.frame_shape)
    step, carry = env.reset(seed), policy.start(env.num_envs)
    while True:
        acted = policy.act(to_blocks(step.frame, colours), step.first, carry, explore)
        yield Played(step, acted)
        step, carry = env.step(acted.action), acted.carry


class Rows:
    """A policy of E envs, asked for those in `mine` alone: the rows of the others stay empty.

    A smaller batch would be summed in another order, and a tie between two actions be broken otherwise.
    """

    def __init__(self, policy: Policy, envs: int, mine: slice) -> None:
        self.policy, self.envs, self.mine = policy, envs, mine

    def start(self, num_envs: int) -> Any:
        """The carry of all E envs."""
        return self.policy.start(self.envs)

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: Any, explore: Explore | None) -> Acted:
        """As `Policy.act`, of these rows."""
        every, begins = np.zeros((self.envs, *frame.shape[1:]), frame.dtype), np.zeros(self.envs, np.bool_)
        every[self.mine], begins[self.mine] = frame, first
        acted = self.policy.act(every, begins, carry, explore)
        return Acted(acted.action[self.mine], acted.carry, acted.obs[self.mine], acted.values[self.mine])
