"""A checkpoint of many hosts is one only where all of them write to the same disk."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from cluster.fleet.checkpoint import Checkpoints
from tests.cluster.helpers import TIMEOUT
from training.storage import checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


class Abroad:
    """A shard on another host, where the same path leads to that host's own disk."""

    def __init__(self, disk: Path) -> None:
        self.save, self.disk = self, disk

    def remote(self, path: str) -> Any:
        checkpoint.save(self.disk / Path(path).name, {})
        return ray.put(None)


def test_a_part_on_another_machines_disk(tmp_path: Path) -> None:
    """It was saved, but whoever loads the checkpoint would not find it."""
    here, there = tmp_path / "here", tmp_path / "there"
    algo: Any = SimpleNamespace(shards=[Abroad(here), Abroad(there)])
    with pytest.raises(checkpoint.CheckpointError) as caught:
        Checkpoints.save_replay(algo, here)
    line = "replay-1 of the checkpoint is not on this machine: put --run-dir on storage that every node sees"
    assert str(caught.value) == line
    assert checkpoint.load(there / "replay-1") == {}
    algo.shards[1].disk = here
    Checkpoints.save_replay(algo, here)
