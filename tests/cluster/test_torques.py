"""CrossQ by the fleet as it is: what acts and what learns come from the settings' parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.sac.policy import SacPolicy
from agents.sac.presets import halfcheetah
from cluster.fleet.loop import FleetLoop
from tests.cluster.helpers import TIMEOUT
from tests.cluster.tiny import TINY_TORQUES
from training.settings import changed

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


def test_a_fleet_learns_torques(tmp_path: Path) -> None:
    """Through a shard actor, with a checkpoint in between."""
    settings = changed(halfcheetah(), {**TINY_TORQUES, "fleet.shards": 1, "fleet.chunk_steps": 8})
    loop = FleetLoop(settings)
    try:
        while loop.stats.updates < 10:
            loop.step()
        acting = loop.policy()
        assert isinstance(acting, SacPolicy)
        acted = acting.act(np.zeros((3, 1, 2), np.float32), np.ones(3, np.bool_), acting.start(3), None)
        assert acted.action.shape == (3, 2)
        saved, steps = loop.save(tmp_path), loop.stats.agent_steps
        loop.load(saved)
        loop.step()
        assert loop.stats.agent_steps > steps
        (core,) = loop.algo._each_learner(lambda learner: learner.core.updates)
        assert core == loop.stats.updates
    finally:
        loop.close()
