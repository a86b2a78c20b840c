"""A restarted runner plays other episodes than after its first start, simulated without Ray and without a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.pqn.presets import pqn
from cluster.fleet.on_policy_runner import OnPolicyRunner
from cluster.fleet.runner import Runner
from tests.cluster.helpers import catch_settings
from tests.cluster.tiny import TINY_PQN
from training.settings import changed


def seed_after(make: Callable[[], Any], agent_steps: int, *version: int) -> int:
    """Return the env's reset seed in a new runner whose first rollout is requested at `agent_steps` of the fleet."""
    runner, seeds = make(), list[int]()
    reset = runner.env.reset

    def noted(seed: int) -> Any:
        seeds.append(seed)
        return reset(seed)

    runner.env.reset = noted
    for _ in range(2):
        runner._play(agent_steps, *version)
    runner.stop()
    (seed,) = seeds
    return seed


def off_policy_runner() -> Runner:
    return Runner(catch_settings(), 0)


def on_policy_runner() -> OnPolicyRunner:
    return OnPolicyRunner(changed(pqn(), {**TINY_PQN, "env.life_signal": False, "fleet.runners": 1}), 1)


@pytest.mark.parametrize(("make", "version"), [(off_policy_runner, [0]), (on_policy_runner, [])])
def test_games_of_a_later_life_are_others(make: Callable[[], Any], version: list[int]) -> None:
    first, later, again = (seed_after(make, agent_steps, *version) for agent_steps in (0, 777, 777))
    assert first != later == again
