"""The way into Ray: a cluster that is there, or one of one's own. Loads no RLlib."""

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

STARTS = 5  # of a Ray of our own
WORKER_ENV = {
    "OMP_WAIT_POLICY": "PASSIVE",  # idle threads sleep: processes share the cores instead of spinning on them
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # actors that asked for no GPU see none
}


def start_ray(processes: int) -> bool:
    """Connect to the cluster that RAY_ADDRESS names, or start one on this machine for as long as the command runs.

    The latter has room for `processes` that reserve a core each, be there as many cores or not.

    Returns:
        Whether there was none yet: a trial of a sweep is a part of one already, and leaves it running.

    Raises:
        FleetError: there is none to be had: another version, no token, or it does not come up.
    """
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    os.environ.setdefault("RAY_worker_niceness", "5")  # the learner goes first; with Ray's 15 it starves its runners
    own = "RAY_ADDRESS" not in os.environ
    try:
        if own:
            _start_for(processes)
        else:
            ray.init(runtime_env={"env_vars": WORKER_ENV}, log_to_driver=False, logging_level=logging.WARNING)
    except Exception as error:  # Ray raises nothing narrower
        where = "on this machine" if own else f"at {os.environ['RAY_ADDRESS']}"
        raise FleetError(f"cannot use Ray {where}: {one_line(error)}") from error
    return True


def _start_for(processes: int) -> None:
    """A Ray of our own that has room for them."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # loopback only, and gone with the command
    for name, value in WORKER_ENV.items():  # inherited; workers of a runtime_env would not be started ahead of need
        os.environ.setdefault(name, value)
    start_own(
        address="local",  # whatever Ray runs on this machine already: what is to be used, RAY_ADDRESS names
        num_cpus=max(os.cpu_count() or 1, processes),
        _memory=estimate_available_memory(),  # Ray offers 70 % of it; a shard that needs more would wait for ever
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )


@contextmanager
def ray_for(processes: int) -> Iterator[None]:
    """`start_ray`, and its end where there was none yet: another's Ray, a notebook's say, goes on."""
    started = start_ray(processes)
    try:
        yield
    finally:
        if started:
            ray.shutdown()


def start_own(**options: Any) -> None:
    """`ray.init`, again where Ray has given up on itself: it gives its own servers half a minute to come up.

    On a machine whose cores are busy with something else they take longer, and nobody can tell Ray to wait.
    """
    for left in reversed(range(STARTS)):
        try:
            ray.init(**options)
            return
        except Exception as error:  # Ray raises nothing narrower
            if not left or "timed out during startup" not in str(error):
                raise
            say("Ray has not come up within half a minute; trying once more")


def processes_of(settings: SpreadSettings) -> int:
    """Processes of a fleet that reserve a core each, the driver among them."""
    return settings.fleet.runners + settings.fleet.shards + settings.fleet.learners + 1
