"""What trainings learn from that lies on disk, and small settings for those that learn from play."""

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
    """Pictures for a GAN, games of toy/catch for what learns from play: the setting that names them, and where."""
    if workload in ("gan", "coupled", "progressive", "style", "cycle", "upscale"):
        return {"data.source": str(copy_corners(corners, folder))}
    if workload in ("cloning", "offline"):
        return {"dataset": str(catch_dataset(folder / "games", games=4))}
    return {}
