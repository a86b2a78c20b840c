"""Training loop on a Ray fleet with asynchronous evaluation; same interface as `agents.dqn.serial.SerialLoop`."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import ray

from agents.dqn.run import DqnRun
from agents.dqn.settings import Settings
from agents.saved_policy import policy_of
from cluster.errors import LearnerLost
from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from cluster.fleet.evaluator import AsyncEvaluation
from cluster.fleet.waiting import connect
from cluster.lost import init_error
from training.messages import one_line, say
from training.storage import checkpoint

LEARNER_FAILURES = 3  # restarts per run; more failures have a cause that a restart does not fix
T = TypeVar("T")


class FleetLoop:
    """Distributed training that restarts from the last checkpoint when a learner is lost."""

    def __init__(self, settings: Settings, roll_back: Callable[[Path | None], None] = lambda path: None) -> None:
        """`roll_back` is called with the checkpoint from which a fleet restarts, None for the start of the run."""
        self.roll_back = roll_back
        self.settings, self.connected = connect(settings)
        self.failures, self.closed = 0, False
        self.saved: Path | None = None
        with coming_up():
            self.start()

    def start(self) -> None:
        """Build the algorithm and the evaluator."""
        self.algo: Quarterdeck = QuarterdeckConfig().from_settings(self.settings).build_algo()
        self.beside = AsyncEvaluation(self.settings, self.algo.spec)
        self.stats, self.limiter = self.algo.stats, self.algo.limiter

    def step(self) -> None:
        """Train for about a second; if a learner is lost, training restarts from the last checkpoint.

        Raises:
            LearnerLost: for the fourth time.
        """
        self._surviving(self._train)

    def _train(self) -> None:
        self.algo.train()
        self._look_around()
        done = self.beside.poll(self.algo.policy_weights, self.stats.agent_steps, self.stats.score())
        if done is not None:
            self.stats.add_evaluation(*done)
            if self.stats.passed(self.settings.stop.score):  # the current weights are newer than the evaluated ones
                self.algo.set_policy(self.beside.weights)

    def _surviving(self, call: Callable[[], T]) -> T:
        """Return the result of `call`, restarting the fleet and retrying when a learner is lost.

        Raises:
            LearnerLost: for the fourth time.
        """
        lost = False
        while True:
            try:
                if lost:
                    self._begin_again()
                return call()
            except LearnerLost as error:
                lost, self.failures = True, self.failures + 1
                if self.failures > LEARNER_FAILURES:
                    raise LearnerLost(f"a learner was lost {self.failures} times: {error}") from error
                say(f"a learner was lost; resuming from {self.saved or 'the start'}")

    def _begin_again(self) -> None:
        self.stop()
        gc.collect()  # actor handles of a half-built fleet are in reference cycles and keep the actors alive
        self.roll_back(self.saved)  # no runner is playing now
        with coming_up():
            self.start()
        if self.saved is not None:
            self.load(self.saved)

    def _look_around(self) -> None:
        """Record the health of the fleet; reports show means."""
        self.stats.note_all({**self.algo.runners.health(), "fleet/learner_restarts": self.failures})

    def policy(self) -> Any:
        """Return the policy to evaluate, from the last checkpoint if its learner is lost."""
        try:
            return self.algo.policy()
        except LearnerLost:
            if self.saved is None:
                raise
            return policy_of(checkpoint.load(self.saved, only="learner"), self.settings)

    def save(self, folder: Path, also: Callable[[Path], None] = lambda part: None) -> Path:
        """Write a checkpoint under `folder`; `also` adds files. A lost learner is restarted first.

        Raises:
            LearnerLost: for the fourth time.
        """
        self.saved = self._surviving(lambda: self._save(folder, also))
        return self.saved

    def _save(self, folder: Path, also: Callable[[Path], None]) -> Path:
        def write_parts(part: Path) -> None:
            self.algo.save_replay(part)
            also(part)

        return checkpoint.save_next(folder, self.stats.agent_steps, self.algo.get_state(), write_parts)

    def load(self, path: Path) -> None:
        """Restore a checkpoint.

        Raises:
            LearnerLost: an actor of the fleet died meanwhile.
        """
        with coming_up():
            self.algo.load(path)
        self.saved = path

    def stop(self) -> None:
        """Stop all actors of this run."""
        self.beside.stop()
        self.algo.stop()

    def close(self) -> None:
        """Stop all processes that this run started. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self.stop()
        if self.connected:
            ray.shutdown()


@contextmanager
def coming_up() -> Iterator[None]:
    """Convert Ray's errors during the start of a fleet to a one-line `LearnerLost`.

    Raises:
        LearnerLost: an actor died or failed.
    """
    try:
        yield
    except (ray.exceptions.RayError, TypeError) as error:
        # If a learner dies while RLlib connects it to its peers, Ray Train raises None: a TypeError.
        told = error.__context__ if isinstance(error, TypeError) else error
        if not isinstance(told, ray.exceptions.RayError):
            raise
        cause = init_error(told) or getattr(told, "cause", None) or told
        raise LearnerLost(f"the fleet did not start: {one_line(cause)}") from error


def make_run(settings: Settings, defaults: Settings, folder: Path) -> DqnRun:
    """Create a run of deep Q-learning on a fleet, on the connected cluster or a new local one."""
    return DqnRun(FleetLoop(settings), settings, defaults, serial=False)


def bundles(settings: Settings) -> list[dict[str, float]]:
    """Return the resources of a fleet: a bundle for the main process, then one for every actor that takes a core."""
    logging.getLogger("ray.rllib").setLevel(logging.ERROR)
    request = Quarterdeck.default_resource_request(QuarterdeckConfig().from_settings(settings))
    return [{name: amount for name, amount in bundle.items() if amount} for bundle in request.bundles]


def requires_fleet(settings: Settings) -> bool:
    """Return whether the settings need a fleet."""
    fleet = settings.fleet
    return fleet.runners > 1 or fleet.shards > 0 or fleet.learners > 0
