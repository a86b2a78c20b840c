"""Connecting to a Ray cluster, or starting a local one. Does not import RLlib."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private.utils import estimate_available_memory

from agents.settings import SpreadSettings
from cluster.errors import FleetError
from training.messages import one_line, say

STARTS = 5  # attempts to start a local Ray
WORKER_ENV = {
    "OMP_WAIT_POLICY": "PASSIVE",  # idle threads sleep instead of spinning, since processes share cores
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # hide GPUs from actors that requested none
}


def start_ray(processes: int) -> bool:
    """Connect to the cluster at RAY_ADDRESS, or start a local one for the duration of the command.

    A local one offers at least `processes` cores, even if the machine has fewer.

    Returns:
        Whether this call connected; False in a Tune trial, for example, which must not shut Ray down.

    Raises:
        FleetError: Ray cannot be used: another version, no token, or it does not start.
    """
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    os.environ.setdefault("RAY_worker_niceness", "5")  # below the learner; Ray's default of 15 starves runners
    own = "RAY_ADDRESS" not in os.environ
    try:
        if own:
            _start_for(processes)
        else:
            ray.init(runtime_env={"env_vars": WORKER_ENV}, log_to_driver=False, logging_level=logging.WARNING)
    except Exception as error:  # Ray raises no narrower class
        where = "on this machine" if own else f"at {os.environ['RAY_ADDRESS']}"
        raise FleetError(f"cannot use Ray {where}: {one_line(error)}") from error
    return True


def _start_for(processes: int) -> None:
    """Start a local Ray with room for `processes`."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # it listens on loopback only and ends with the command
    for name, value in WORKER_ENV.items():  # inherited by workers; Ray does not prestart workers of a runtime_env
        os.environ.setdefault(name, value)
    start_own(
        address="local",  # ignore other Rays on this machine: RAY_ADDRESS selects one
        num_cpus=max(os.cpu_count() or 1, processes),
        _memory=estimate_available_memory(),  # Ray's default of 70 % could make a shard unschedulable
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )


@contextmanager
def ray_for(processes: int) -> Iterator[None]:
    """Connect to Ray for the duration of a block; an existing connection, such as a notebook's, stays open."""
    started = start_ray(processes)
    try:
        yield
    finally:
        if started:
            ray.shutdown()


def start_own(**options: Any) -> None:
    """Call `ray.init`, with retries if Ray times out during startup.

    Ray's servers have a fixed timeout of half a minute, which is too short on a busy machine.
    """
    for left in reversed(range(STARTS)):
        try:
            ray.init(**options)
            return
        except Exception as error:  # Ray raises no narrower class
            if not left or "timed out during startup" not in str(error):
                raise
            say("Ray has not started within half a minute; retrying")


def processes_of(settings: SpreadSettings) -> int:
    """Return the cores to offer for a fleet: one per runner, shard, learner and the driver."""
    return settings.fleet.runners + settings.fleet.shards + settings.fleet.learners + 1
