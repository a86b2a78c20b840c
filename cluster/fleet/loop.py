"""A fleet loop: Ray, the algorithm and the evaluation beside it, with the face of `agents.dqn.serial.SerialLoop`."""

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
from cluster.lost import birth_error
from training.messages import one_line, say
from training.storage import checkpoint

LEARNER_FAILURES = 3  # lost learners that a run survives; more point at a cause that a restart does not repair
T = TypeVar("T")


class FleetLoop:
    """The distributed loop behind four verbs: step, save, load, close."""

    def __init__(self, settings: Settings, go_back: Callable[[Path | None], None] = lambda path: None) -> None:
        """`go_back` hears of the checkpoint that a fleet without its learner begins again from; None is the start."""
        self.go_back = go_back
        self.settings, self.connected = connect(settings)
        self.failures, self.closed = 0, False
        self.saved: Path | None = None
        with coming_up():
            self.start()

    def start(self) -> None:
        """Build the algorithm and the evaluation beside it."""
        self.algo: Quarterdeck = QuarterdeckConfig().from_settings(self.settings).build_algo()
        self.beside = AsyncEvaluation(self.settings, self.algo.spec)
        self.stats, self.limiter = self.algo.stats, self.algo.limiter

    def step(self) -> None:
        """About a second of training; a lost learner costs what was learned since the last checkpoint.

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
            if self.stats.passed(self.settings.stop.score):  # what has been learned since may play otherwise
                self.algo.set_policy(self.beside.weights)

    def _surviving(self, call: Callable[[], T]) -> T:
        """The result of `call`; a learner that is lost over it is replaced, and `call` is made anew.

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
                say(f"a learner was lost; going on from {self.saved or 'the start'}")

    def _begin_again(self) -> None:
        self.stop()
        gc.collect()  # handles of a half-built fleet lie in circles, and actors live as long as they do
        self.go_back(self.saved)  # nobody plays now
        with coming_up():
            self.start()
        if self.saved is not None:
            self.load(self.saved)

    def _look_around(self) -> None:
        """Note how the fleet does: means over the time between two reports."""
        self.stats.note_all({**self.algo.runners.health(), "fleet/learner_restarts": self.failures})

    def policy(self) -> Any:
        """The policy to judge; where its learner is lost, as the last checkpoint has it."""
        try:
            return self.algo.policy()
        except LearnerLost:
            if self.saved is None:
                raise
            return policy_of(checkpoint.load(self.saved, only="learner"), self.settings)

    def save(self, folder: Path, also: Callable[[Path], None] = lambda part: None) -> Path:
        """Checkpoint everything under `folder`, and what `also` adds; after a lost learner the last one's once more.

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
        """Go on from a checkpoint.

        Raises:
            LearnerLost: a part of the fleet died over it.
        """
        with coming_up():
            self.algo.load(path)
        self.saved = path

    def stop(self) -> None:
        """Stop every actor of this run."""
        self.beside.stop()
        self.algo.stop()

    def close(self) -> None:
        """Stop every process that this run started. Once that is done, a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        self.stop()
        if self.connected:
            ray.shutdown()


@contextmanager
def coming_up() -> Iterator[None]:
    """Around all that a fleet needs to begin: what Ray tells of its actors ends there, in one line.

    Raises:
        LearnerLost: a part of the fleet died or failed.
    """
    try:
        yield
    except (ray.exceptions.RayError, TypeError) as error:
        # Where a learner dies while RLlib connects it to its peers, Ray Train means to raise that and raises None.
        told = error.__context__ if isinstance(error, TypeError) else error
        if not isinstance(told, ray.exceptions.RayError):
            raise
        cause = birth_error(told) or getattr(told, "cause", None) or told
        raise LearnerLost(f"the fleet did not come up: {one_line(cause)}") from error


def make_run(settings: Settings, usual: Settings, folder: Path) -> DqnRun:
    """Deep Q-learning by a fleet, on the cluster that is connected or one of its own."""
    return DqnRun(FleetLoop(settings), settings, usual, serial=False)


def bundles(settings: Settings) -> list[dict[str, float]]:
    """What a fleet reserves: its main process, then one bundle for every actor that takes a core."""
    logging.getLogger("ray.rllib").setLevel(logging.ERROR)
    request = Quarterdeck.default_resource_request(QuarterdeckConfig().from_settings(settings))
    return [{name: amount for name, amount in bundle.items() if amount} for bundle in request.bundles]


def shares_out(settings: Settings) -> bool:
    """Whether there is something that only a fleet does."""
    fleet = settings.fleet
    return fleet.runners > 1 or fleet.shards > 0 or fleet.learners > 0
