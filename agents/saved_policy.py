"""Where a trained policy lies: in a run directory, or in a folder that `Quarterdeck.save_to_path` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.dqn.settings import Settings
from training.settings import from_dict
from training.storage import checkpoint
from training.storage.older import settings_in_todays_words
from training.storage.resume import read_newest
from training.storage.run_dir import MARKER, RunDir

FOLDER = "quarterdeck"  # the directory of ours inside a checkpoint of RLlib's
RLLIB = "rllib"  # stands for the preset's name


def record_of(directory: RunDir) -> dict[str, Any]:
    """What is known of the run: its preset and settings, and more where a command made it.

    Raises:
        ValueError: nothing of ours is there.
    """
    if (directory.path / FOLDER).is_dir() and not (directory.path / MARKER).exists():
        saved = checkpoint.load(directory.path / FOLDER, only="settings")["settings"]
        return {"preset": RLLIB, "workload": "dqn", "settings": settings_in_todays_words(saved)}
    return directory.record()


def dqn_settings(record: dict[str, Any], otherwise: str) -> Settings:
    """The settings of a run of deep Q-learning.

    Raises:
        ValueError: the run trained something else; the message begins with `otherwise`.
    """
    if record["workload"] != "dqn":
        raise ValueError(f"{otherwise}: name a run of a deep Q-network, this is one of {record['preset']}")
    settings: Settings = from_dict(Settings, record["settings"])
    return settings


def read_policy(directory: RunDir, recorded: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The newest checkpoint that is whole, and its `learner` branch.

    Raises:
        training.storage.checkpoint.CheckpointError: there is none.
    """

    def read(path: Path) -> dict[str, Any]:
        return checkpoint.load(path, only="learner")

    if recorded["preset"] == RLLIB:
        path = directory.path / FOLDER
        return path, read(path)
    return read_newest(directory, read)
