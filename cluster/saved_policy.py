"""Where a trained policy lies: in a run directory, or in a folder that `Quarterdeck.save_to_path` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents import checkpoint
from cluster.rundir import MARKER, RunDir

FOLDER = "quarterdeck"  # the directory of ours inside a checkpoint of RLlib's
RLLIB = "rllib"  # stands for the preset's name


def record_of(directory: RunDir) -> dict[str, Any]:
    """What is known of the run: its preset and settings, and more where a command made it.

    Raises:
        ValueError: nothing of ours is there.
    """
    if (directory.path / FOLDER).is_dir() and not (directory.path / MARKER).exists():
        return {"preset": RLLIB, **checkpoint.load(directory.path / FOLDER, only="settings")}
    return directory.record()


def newest_of(directory: RunDir, recorded: dict[str, Any]) -> Path:
    """The newest checkpoint.

    Raises:
        agents.checkpoint.CheckpointError: there is none.
    """
    return directory.path / FOLDER if recorded["preset"] == RLLIB else checkpoint.latest(directory.checkpoints)
