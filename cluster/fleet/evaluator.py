"""Asynchronous evaluation during training, by an actor at low priority."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ray
import torch

from agents.acting.policy import LearningPolicy
from agents.dqn.settings import Settings
from agents.evaluation.evaluate import evaluate_policy
from agents.evaluation.protocol import beside, selection_env
from agents.parts import make_policy
from cluster.errors import FleetError, portable
from cluster.fleet import placement
from cluster.lost import LOST, UNSTARTABLE, never_starts
from envs.base import EnvSpec
from training.messages import one_line, say

RETRIES = 2  # of an evaluation whose process has died
FAILURES = 3  # consecutive evaluations with an exception that end the run


class Evaluator:
    """Plays whole games with given weights, at low priority."""

    def __init__(self, settings: Settings, spec: EnvSpec) -> None:
        os.nice(5)  # behind training, but not so low that evaluations never finish
        torch.set_num_threads(1)
        self.settings = settings
        self.policy: LearningPolicy = make_policy(settings, spec)

    def evaluate(self, weights: dict[str, Any], agent_steps: int) -> tuple[int, dict[str, Any]]:
        """Play `evaluation.every_episodes` games; return `agent_steps` and the summary."""
        games, rules = self.settings.evaluation.every_episodes, selection_env(self.settings)
        try:
            self.policy.load(weights)
            scores = evaluate_policy(self.policy, beside(self.settings), episodes=games, threads=1, rules=rules)
        except Exception as error:
            raise portable(error) from None
        return agent_steps, scores.summary()


class AsyncEvaluation:
    """Starts an evaluation every `evaluation.every_steps` agent steps, one at a time, and collects its result."""

    def __init__(self, settings: Settings, spec: EnvSpec) -> None:
        self.settings, self.spec = settings, spec
        self.next_at = settings.evaluation.every_steps
        self.actor: Any = None
        self.pending: Any = None
        self.weights: dict[str, Any] = {}  # of the newest evaluation
        self.failures = 0  # consecutive

    def poll(
        self, weights: Callable[[], dict[str, Any]], agent_steps: int, score: float | None
    ) -> tuple[int, dict[str, Any]] | None:
        """Start an evaluation if one is due; return (agent steps, summary) of one that has finished.

        `score` is that of recent training games, None before the first has ended.

        Raises:
            FleetError: `FAILURES` evaluations failed in a row.
        """
        if self.pending is not None:
            return self._finished()  # `self.weights` are still those of this evaluation
        if self._due(agent_steps, score):
            if self.actor is None:  # started lazily: short runs do not need it
                place = placement.unit(self.settings, placement.RUNNER, placement.EVALUATOR_PART)
                options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": RETRIES, "resources": place}
                actor = ray.remote(**options)(Evaluator)
                self.actor = actor.remote(self.settings, self.spec)
            self.weights = weights()
            self.pending = self.actor.evaluate.remote(self.weights, agent_steps)
            self.next_at = agent_steps + self.settings.evaluation.every_steps
        return None

    def _due(self, agent_steps: int, score: float | None) -> bool:
        least = self.settings.evaluation.from_score
        good = least is None or (score is not None and score >= least)
        return good and 0 < self.next_at <= agent_steps

    def _finished(self) -> tuple[int, dict[str, Any]] | None:
        ready, _ = ray.wait([self.pending], timeout=0)
        if not ready:
            return None
        self.pending = None
        try:
            result: tuple[int, dict[str, Any]] = ray.get(ready[0])
        except ray.exceptions.RayTaskError as error:
            self._failed(error.cause)
            return None
        except (*LOST, *UNSTARTABLE) as error:  # all retries have failed; wait for the next evaluation
            if cause := never_starts(error):
                self.actor = None  # the next evaluation starts another actor
                self._failed(cause)
            return None
        self.failures = 0
        return result

    def _failed(self, error: BaseException) -> None:
        self.failures += 1
        said = one_line(error)
        if self.failures >= FAILURES:
            raise FleetError(f"the evaluation during training failed {FAILURES} times in a row: {said}") from error
        say(f"the evaluation during training failed, training goes on: {said}")

    def stop(self) -> None:
        """Kill the actor."""
        if self.pending is not None:
            ray.cancel(self.pending)  # prevents a retry and Ray's warnings
        if self.actor is not None:
            ray.kill(self.actor)
