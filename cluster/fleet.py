"""A fleet run: Ray, the algorithm and the evaluation beside it, with the same face as `agents.serial.SerialRun`."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import ray

from agents import checkpoint
from agents.config import Settings
from agents.rollout import Actor
from cluster.algorithm import Quarterdeck
from cluster.config import QuarterdeckConfig
from cluster.evaluation import EvaluationBeside

WORKER_ENV = {
    "OMP_WAIT_POLICY": "PASSIVE",  # idle threads sleep: processes share the cores instead of spinning on them
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # actors that asked for no GPU see none
}


def start_ray(processes: int) -> None:
    """Connect to the cluster that RAY_ADDRESS names, or start one on this machine for as long as the command runs.

    The latter has room for `processes` that reserve a core each, be there as many cores or not.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would let the learner starve the runners it waits for
    if "RAY_ADDRESS" in os.environ:
        ray.init(runtime_env={"env_vars": WORKER_ENV}, log_to_driver=False, logging_level=logging.WARNING)
        return
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # loopback only, and gone with the command
    ray.init(
        num_cpus=max(os.cpu_count() or 1, processes),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
        runtime_env={"env_vars": WORKER_ENV},
    )


class FleetRun:
    """The distributed loop behind four verbs: step, save, load, close."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        start_ray(settings.fleet.runners + settings.fleet.shards + 1)
        for name in ("ray.rllib", "ray.tune", "ray._common.deprecation"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.algo: Quarterdeck = QuarterdeckConfig().from_settings(settings).build_algo()
        self.beside = EvaluationBeside(settings, self.algo.frame_shape, self.algo.num_actions)
        self.stats = self.algo.stats
        self.limiter = self.algo.limiter

    def step(self) -> None:
        """About a second of training."""
        self.algo.train()
        done = self.beside.poll(self.algo.policy_weights, self.stats.agent_steps)
        if done is not None:
            self.stats.evaluations.append(done)

    def actor(self) -> Actor:
        """The policy to judge."""
        return self.algo.actor()

    def save(self, folder: Path) -> Path:
        """Checkpoint everything under `folder`."""
        return checkpoint.save_next(folder, self.stats.agent_steps, self.algo.get_state(), self.algo.save_replay)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        self.algo.load(path)

    def close(self) -> None:
        """Stop every process that this run started."""
        self.beside.stop()
        self.algo.stop()
        ray.shutdown()
