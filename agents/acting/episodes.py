"""The loop that plays for its own sake: to judge, to show, to take pictures. Rollouts add rows to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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
