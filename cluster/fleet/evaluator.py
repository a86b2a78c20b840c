"""Evaluation beside training, by an actor of its own at low priority; and what is told of one after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ray
import torch

from agents.acting.policy import LearningPolicy
from agents.dqn.settings import Settings
from agents.evaluation.evaluate import evaluate_policy
from agents.evaluation.protocol import beside, beside_env
from agents.parts import make_policy
from cluster.errors import FleetError, portable
from cluster.fleet import placement
from cluster.lost import LOST, UNBORN, never_starts
from envs.base import EnvSpec
from training.messages import one_line, say

RETRIES = 2  # of an evaluation whose process died
FAILURES = 3  # evaluations in a row that end in an error of their own; then the run does, as with runners


class Evaluator:
    """Plays whole games with the weights it is given; yields the processor to whoever trains."""

    def __init__(self, settings: Settings, spec: EnvSpec) -> None:
        os.nice(5)  # whoever trains goes first, but the last core is not enough to be done in time
        torch.set_num_threads(1)
        self.settings = settings
        self.policy: LearningPolicy = make_policy(settings, spec)

    def evaluate(self, weights: dict[str, Any], agent_steps: int) -> tuple[int, dict[str, Any]]:
        """The summary of `evaluation.every_episodes` games, with the agent steps that the weights had seen."""
        games, rules = self.settings.evaluation.every_episodes, beside_env(self.settings)
        try:
            self.policy.load(weights)
            scores = evaluate_policy(self.policy, beside(self.settings), episodes=games, threads=1, rules=rules)
        except Exception as error:
            raise portable(error) from None
        return agent_steps, scores.summary()


class AsyncEvaluation:
    """Starts an evaluation every so many agent steps, one at a time, and hands over what is done."""

    def __init__(self, settings: Settings, spec: EnvSpec) -> None:
        self.settings, self.spec = settings, spec
        self.next_at = settings.evaluation.every_steps
        self.actor: Any = None
        self.pending: Any = None
        self.weights: dict[str, Any] = {}  # that the newest evaluation plays with
        self.failures = 0  # since the last one that was played to its end

    def poll(
        self, weights: Callable[[], dict[str, Any]], agent_steps: int, score: float | None
    ) -> tuple[int, dict[str, Any]] | None:
        """Never waits. Returns (agent steps, summary) of an evaluation that has finished since.

        `score` is that of recent training games, if there is one.

        Raises:
            FleetError: evaluations fail again and again.
        """
        if self.pending is not None:
            return self._finished()  # and `weights` are still those that it played with
        if self._due(agent_steps, score):
            if self.actor is None:  # started late, so that a short run does not pay for it
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
        except (*LOST, *UNBORN) as error:  # it has died again and again; the next evaluation comes
            if cause := never_starts(error):
                self.actor = None  # the next evaluation tries another
                self._failed(cause)
            return None
        self.failures = 0
        return result

    def _failed(self, error: BaseException) -> None:
        self.failures += 1
        said = one_line(error)
        if self.failures >= FAILURES:
            raise FleetError(f"the evaluation beside training failed {FAILURES} times in a row: {said}") from error
        say(f"the evaluation beside training failed, training goes on: {said}")

    def stop(self) -> None:
        """End the actor, finished or not."""
        if self.pending is not None:
            ray.cancel(self.pending)  # what is killed is not tried again then, and Ray says nothing of it
        if self.actor is not None:
            ray.kill(self.actor)
