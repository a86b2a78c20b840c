"""A fleet run: Ray, the algorithm and the evaluation beside it, with the same face as `agents.serial.SerialRun`."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import ray

from agents import checkpoint
from agents.config import Settings
from agents.evaluation import policy_of
from agents.rollout import Actor
from cluster import roles
from cluster.algorithm import Quarterdeck
from cluster.config import QuarterdeckConfig
from cluster.errors import LearnerLost, say
from cluster.evaluation import EvaluationBeside

LEARNER_FAILURES = 3  # lost learners that a run survives; more point at a cause that a restart does not mend
T = TypeVar("T")
WORKER_ENV = {
    "OMP_WAIT_POLICY": "PASSIVE",  # idle threads sleep: processes share the cores instead of spinning on them
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # actors that asked for no GPU see none
}


def start_ray(processes: int) -> bool:
    """Connect to the cluster that RAY_ADDRESS names, or start one on this machine for as long as the command runs.

    The latter has room for `processes` that reserve a core each, be there as many cores or not.

    Returns:
        Whether there was none yet: a trial of a sweep is a part of one already, and leaves it running.
    """
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # runners go first: Ray's 15 lies below the learner's 10
    if "RAY_ADDRESS" in os.environ:
        ray.init(runtime_env={"env_vars": WORKER_ENV}, log_to_driver=False, logging_level=logging.WARNING)
        return True
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # loopback only, and gone with the command
    ray.init(
        address="local",  # whatever Ray runs on this machine already: what is to be used, RAY_ADDRESS names
        num_cpus=max(os.cpu_count() or 1, processes),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
        runtime_env={"env_vars": WORKER_ENV},
    )
    return True


class FleetRun:
    """The distributed loop behind four verbs: step, save, load, close."""

    def __init__(self, settings: Settings) -> None:
        self.connected = start_ray(settings.fleet.runners + settings.fleet.shards + settings.fleet.learners + 1)
        device = roles.settled_device(settings.learner.device, settings.fleet.learners)
        self.settings = replace(settings, learner=replace(settings.learner, device=device))
        if lacking := roles.missing(settings):
            say(lacking)
        for name in ("ray.rllib", "ray.tune", "ray._common.deprecation"):
            logging.getLogger(name).setLevel(logging.ERROR)
        for name in ("utils.actor_manager", "env.env_runner_group"):  # `cluster.runners` tells of losses, and once
            logging.getLogger(f"ray.rllib.{name}").setLevel(logging.CRITICAL)
        self.failures = 0
        self.saved: Path | None = None
        self.start()

    def start(self) -> None:
        """Build the algorithm and the evaluation beside it."""
        self.algo: Quarterdeck = QuarterdeckConfig().from_settings(self.settings).build_algo()
        self.beside = EvaluationBeside(self.settings, self.algo.frame_shape, self.algo.num_actions)
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
        done = self.beside.poll(self.algo.policy_weights, self.stats.agent_steps)
        if done is not None:
            self.stats.evaluations.append(done)

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
        self.start()
        if self.saved is not None:
            self.load(self.saved)

    def _look_around(self) -> None:
        """Note how the fleet does: means over the time between two reports."""
        group = self.algo.env_runner_group
        self.stats.note("fleet/runners_alive", group.num_healthy_remote_env_runners())
        self.stats.note("fleet/runner_restarts", group.num_remote_worker_restarts())
        self.stats.note("fleet/learner_restarts", self.failures)

    def actor(self) -> Actor:
        """The policy to judge; where its learner is lost, as the last checkpoint has it."""
        try:
            return self.algo.actor()
        except LearnerLost:
            if self.saved is None:
                raise
            return policy_of(checkpoint.load(self.saved, only="learner"), self.settings)

    def save(self, folder: Path) -> Path:
        """Checkpoint everything under `folder`. After a lost learner that is the last checkpoint's state once more.

        Raises:
            LearnerLost: for the fourth time.
        """
        self.saved = self._surviving(lambda: self._save(folder))
        return self.saved

    def _save(self, folder: Path) -> Path:
        for half in folder.glob("agent_steps-*.part"):  # what a save left behind that lost its learner
            shutil.rmtree(half)
        return checkpoint.save_next(folder, self.stats.agent_steps, self.algo.get_state(), self.algo.save_replay)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        self.algo.load(path)
        self.saved = path

    def stop(self) -> None:
        """Stop every actor of this run."""
        self.beside.stop()
        self.algo.stop()

    def close(self) -> None:
        """Stop every process that this run started."""
        self.stop()
        if self.connected:
            ray.shutdown()
