"""Loading of trained policies from run directories and from folders written by `Quarterdeck.save_to_path`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from agents.acting.policy import LearningPolicy
from agents.networks.q_network import NetworkSettings
from agents.parts import make_policy
from agents.settings import AgentSettings
from envs.registry import read_spec
from training.storage import checkpoint
from training.storage.older import settings_in_todays_words
from training.storage.resume import read_newest
from training.storage.run_dir import MARKER, RunDir

FOLDER = "quarterdeck"  # our directory inside an RLlib checkpoint
RLLIB = "rllib"  # recorded as the preset of RLlib checkpoints
SettingsOf = Callable[[dict[str, Any]], Any]  # parses the settings of a run's record


class NetworkedSettings(AgentSettings, Protocol):
    """Settings of an agent with a network."""

    @property
    def network(self) -> NetworkSettings: ...


class SavedRun(NamedTuple):
    """A run that trained a network, and its newest readable checkpoint."""

    record: dict[str, Any]
    settings: NetworkedSettings
    path: Path  # of the checkpoint
    state: dict[str, Any]  # its `learner` branch

    def policy(self) -> LearningPolicy:
        """See `policy_of`."""
        policy: LearningPolicy = policy_of(self.state, self.settings)
        return policy


def open_run(folder: Path, settings_of: SettingsOf, otherwise: str) -> SavedRun:
    """Open a run of any algorithm that trains a network.

    Raises:
        ValueError: there is no run, it has no readable checkpoint, or it trained something else; in the last case the
            message begins with `otherwise`.
    """
    directory = RunDir(folder)
    record = record_of(directory)
    settings = settings_of(record)
    if not hasattr(settings, "parts"):
        raise ValueError(f"{otherwise}: name a run of a deep Q-network, this is one of {record['preset']}")
    return SavedRun(record, settings, *read_policy(directory, record))


def record_of(directory: RunDir) -> dict[str, Any]:
    """Return the run's record: at least preset and settings, more for runs of a command.

    Raises:
        ValueError: there is no run.
    """
    if (directory.path / FOLDER).is_dir() and not (directory.path / MARKER).exists():
        saved = checkpoint.load(directory.path / FOLDER, only="settings")["settings"]
        return {"preset": RLLIB, "workload": "dqn", "settings": settings_in_todays_words(saved)}
    return directory.record()


def policy_of(state: dict[str, Any], settings: AgentSettings) -> Any:
    """Create the policy of a checkpoint's `learner` branch, on the CPU.

    Raises:
        ValueError: the weights do not fit the network of the settings.
    """
    policy = make_policy(settings, read_spec(settings.env))
    try:
        policy.network.load_state_dict(
            {name: torch.tensor(value) for name, value in state["learner"]["policy"].items()}
        )
    except RuntimeError:
        raise ValueError("the checkpoint's network does not fit its settings: train anew, or restore the run") from None
    return policy


def read_policy(directory: RunDir, recorded: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Return the newest readable checkpoint and its `learner` branch.

    Raises:
        training.storage.checkpoint.CheckpointError: there is none.
    """

    def read(path: Path) -> dict[str, Any]:
        return checkpoint.load(path, only="learner")

    if recorded["preset"] == RLLIB:
        path = directory.path / FOLDER
        return path, read(path)
    return read_newest(directory, read)
