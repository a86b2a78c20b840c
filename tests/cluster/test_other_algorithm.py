"""An algorithm that is none of ours, trained by the fleet as it is: its policy, its learner, its carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.fleet.loop import FleetLoop
from tests.cluster.helpers import TIMEOUT, catch_settings
from tests.cluster.own_parts import ByTurns, OtherSettings
from training.settings import from_dict, to_dict

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


def rows_of(loop: FleetLoop) -> dict[str, Any]:
    """Actions and first flags of all lanes in the learner's shard, [lanes, rows]."""

    def read(learner: Any) -> dict[str, Any]:
        shard = learner.own_shard()
        written = int(shard.written.min())
        return {name: getattr(shard, name).reshape(shard.lanes, -1)[:, :written] for name in ("action", "first")}

    (rows,) = loop.algo._each_learner(read)
    return dict(rows)


def test_the_fleet_asks_the_settings_for_their_parts(tmp_path: Path) -> None:
    settings = from_dict(OtherSettings, to_dict(catch_settings()))
    loop = FleetLoop(settings)
    try:
        while loop.stats.updates < 10:
            loop.step()
        rows = rows_of(loop)
        turns = np.arange(rows["action"].shape[1]) % 3
        assert (rows["action"] == turns).all(), "the carry went on from chunk to chunk"
        assert loop.algo._each_learner(lambda learner: learner.core.another) == [True]
        assert isinstance(loop.policy(), ByTurns)
        saved = loop.save(tmp_path)
        loop.load(saved)
        loop.step()
        assert isinstance(loop.algo.settings, OtherSettings)
    finally:
        loop.close()
