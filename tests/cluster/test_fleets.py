"""Every kind of training that has a fleet is trained by it: what acts and what learns come from the settings' parts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from agents.dqn.run import DqnRun
from agents.sac.policy import SacPolicy
from cluster.fleet.loop import FleetLoop
from cluster.workloads import WORKLOADS
from tests.cluster.helpers import TIMEOUT
from tests.cluster.tiny import TINY
from training.run import Run
from training.settings import changed

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]

FLEETS = [name for name, row in WORKLOADS.items() if row.fleet]
TOO_MANY = 9_000_000  # agent steps


def updated(run: Run, updates: int) -> Run:
    """Train until the learner has made that many more updates."""
    wanted = run.summary()["updates"] + updates
    while run.summary()["updates"] < wanted:
        run.step(run.clock.end)
    return run


def acts_by_torques(run: Run) -> None:
    """Its policy's are of the env's joints, and its learner counts as the run does."""
    assert isinstance(run, DqnRun)
    assert isinstance(run.loop, FleetLoop)
    acting = run.loop.policy()
    assert isinstance(acting, SacPolicy)
    acted = acting.act(np.zeros((3, 1, 2), np.float32), np.ones(3, np.bool_), acting.start(3), None)
    assert acted.action.shape == (3, 2)
    (core,) = run.loop.algo._each_learner(lambda learner: learner.core.updates)
    assert core == run.loop.stats.updates


@pytest.mark.parametrize("name", FLEETS)
def test_a_fleet_trains_it_judges_it_and_goes_back(name: str, tmp_path: Path) -> None:
    """Through a shard actor where there is replay, with a checkpoint in between."""
    work, (preset, values) = WORKLOADS[name], TINY[name]
    small = changed(work.default(preset), {**values, work.end: TOO_MANY})
    settings = work.adapted(preset, small if name == "pqn" else changed(small, {"fleet.shards": 1}))
    run = work.new_run(preset, settings, tmp_path / "run", serial=False)
    try:
        saved, steps = updated(run, 10).save(tmp_path / "saved"), run.clock.now
        assert steps > 0
        if name == "sac":
            acts_by_torques(run)
        assert math.isfinite(run.judge().score)
        assert updated(run, 2).clock.now > steps
        run.load(saved)
        assert run.clock.now == steps
        assert updated(run, 2).clock.now > steps
        if name == "sac":
            acts_by_torques(run)  # also with what was loaded
        assert run.records()
    finally:
        run.close()
