"""A checkpoint of several hosts is complete only if all of them write to the same disk."""

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
    """A fake shard on another host, where the same path is on that host's own disk."""

    def __init__(self, disk: Path) -> None:
        self.save, self.disk = self, disk

    def remote(self, path: str) -> Any:
        checkpoint.save(self.disk / Path(path).name, {})
        return ray.put(None)


def test_a_part_on_another_machines_disk(tmp_path: Path) -> None:
    """A save fails if a shard's part is not on this host's disk, and succeeds on shared storage."""
    here, there = tmp_path / "here", tmp_path / "there"
    algo: Any = SimpleNamespace(shards=[Abroad(here), Abroad(there)])
    with pytest.raises(checkpoint.CheckpointError) as caught:
        Checkpoints.save_replay(algo, here)
    line = "replay-1 of the checkpoint is not on this machine: put --run-dir on storage that every node sees"
    assert str(caught.value) == line
    assert checkpoint.load(there / "replay-1") == {}
    algo.shards[1].disk = here
    Checkpoints.save_replay(algo, here)
