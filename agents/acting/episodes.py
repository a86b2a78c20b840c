"""The acting loop of evaluation, playback and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from agents.acting.policy import Explore, Policy, PolicyOutput
from agents.replay.frames import colours_of, to_blocks
from envs.base import BatchedEnv, TimeStep


class Played(NamedTuple):
    """A time step of E envs and the policy's output for it."""

    step: TimeStep
    acted: PolicyOutput


def play(env: BatchedEnv, policy: Policy, explore: Explore | None, seed: int) -> Iterator[Played]:
    """Yield every time step from a reset on, endlessly; the env is stepped when the next item is requested.

    Args:
        seed: of the first env; env e gets `seed + e`.
    """
    colours = colours_of(env.spec.frame_shape)
    step, carry = env.reset(seed), policy.start(env.num_envs)
    while True:
        acted = policy.act(to_blocks(step.frame, colours), step.first, carry, explore)
        yield Played(step, acted)
        step, carry = env.step(acted.action), acted.carry
