"""Data sets on disk for trainings, and small settings for those that learn from recorded games."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cluster.gan_helpers import copy_corners
from tests.players import catch_dataset

TINY_CLONING: dict[str, Any] = {
    "samples": 400,
    "network.stack": 2,
    "learner.batch_size": 4,
    "learner.precision": "fp32",
    "learner.device": "cpu",
    "evaluation.protocol": "training",
    "evaluation.episodes": 4,
    "evaluation.every_episodes": 4,
}


def source_of(workload: str, corners: Path, folder: Path) -> dict[str, str]:
    """Write the data set that a workload needs (images, games of toy/catch or none); return its setting and path."""
    if workload in ("gan", "coupled", "progressive", "style", "cycle", "upscale"):
        return {"data.source": str(copy_corners(corners, folder))}
    if workload in ("cloning", "offline"):
        return {"dataset": str(catch_dataset(folder / "games", games=4))}
    return {}
