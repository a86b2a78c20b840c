"""Runners and evaluators with failing or sleeping envs, in a module that their processes can import."""

from __future__ import annotations

import time
from typing import Any

from cluster.fleet.evaluator import Evaluator
from cluster.fleet.runner import Runner
from envs.base import TimeStep


class BridgeOut(RuntimeError):
    """The error of a failing env."""


class Wrapped:
    """A wrapper of an env whose subclasses replace `step`."""

    def __init__(self, env: Any) -> None:
        self.env, self.steps = env, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)


class Breaking(Wrapped):
    """Raises after `lasts` steps."""

    lasts = 0  # steps

    def step(self, action: Any) -> TimeStep:
        self.steps += 1
        if self.steps > self.lasts:
            raise BridgeOut(f"the bridge is out after {self.lasts} steps")
        step: TimeStep = self.env.step(action)
        return step


class BreakingLater(Breaking):
    """Raises in its second chunk of eight steps."""

    lasts = 12


class Sleeping(Wrapped):
    """Sleeps for an hour in every step."""

    def step(self, action: Any) -> TimeStep:
        time.sleep(3600)
        raise AssertionError("the test is long over")


class BreakingRunner(Runner):
    """A runner whose env raises at the first step."""

    wrapper: type[Wrapped] = Breaking

    def make_env(self) -> None:
        super().make_env()
        self.env = self.wrapper(self.env)


class BreakingLaterRunner(BreakingRunner):
    """A runner whose env raises in the second chunk after every start."""

    wrapper = BreakingLater


class SleepingRunner(BreakingRunner):
    """A runner whose env sleeps in every step."""

    wrapper = Sleeping


class UnbornRunner(Runner):
    """A runner whose env cannot be made."""

    def make_env(self) -> None:
        raise BridgeOut("no road leads here")


class BreakingEvaluator(Evaluator):
    """An evaluator that raises in every evaluation."""

    def evaluate(self, weights: dict[str, Any], agent_steps: int) -> tuple[int, dict[str, Any]]:
        raise BridgeOut("the bridge is out")
