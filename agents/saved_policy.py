"""Where a trained policy lies: in a run directory, or in a folder that `Quarterdeck.save_to_path` wrote."""

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

FOLDER = "quarterdeck"  # the directory of ours inside a checkpoint of RLlib's
RLLIB = "rllib"  # stands for the preset's name
SettingsOf = Callable[[dict[str, Any]], Any]  # the settings in a run's record, of whatever it trains


class NetworkedSettings(AgentSettings, Protocol):
    """Settings of an agent that acts by a Q-network."""

    @property
    def network(self) -> NetworkSettings: ...


class SavedRun(NamedTuple):
    """A run that trained a network, and the newest checkpoint of it that is whole."""

    record: dict[str, Any]
    settings: NetworkedSettings
    path: Path  # of the checkpoint
    state: dict[str, Any]  # its `learner` branch

    def policy(self) -> LearningPolicy:
        """See `policy_of`."""
        policy: LearningPolicy = policy_of(self.state, self.settings)
        return policy


def open_run(folder: Path, settings_of: SettingsOf, otherwise: str) -> SavedRun:
    """The run in a folder, by whichever algorithm it trained a network.

    Raises:
        ValueError: no run of ours is there, it has no checkpoint that is whole, or it trained something else; the
            message of the last begins with `otherwise`.
    """
    directory = RunDir(folder)
    record = record_of(directory)
    settings = settings_of(record)
    if not hasattr(settings, "parts"):
        raise ValueError(f"{otherwise}: name a run of a deep Q-network, this is one of {record['preset']}")
    return SavedRun(record, settings, *read_policy(directory, record))


def record_of(directory: RunDir) -> dict[str, Any]:
    """What is known of the run: its preset and settings, and more where a command made it.

    Raises:
        ValueError: nothing of ours is there.
    """
    if (directory.path / FOLDER).is_dir() and not (directory.path / MARKER).exists():
        saved = checkpoint.load(directory.path / FOLDER, only="settings")["settings"]
        return {"preset": RLLIB, "workload": "dqn", "settings": settings_in_todays_words(saved)}
    return directory.record()


def policy_of(state: dict[str, Any], settings: AgentSettings) -> Any:
    """The policy in a checkpoint's `learner` branch, on the CPU, for the env of the settings.

    Raises:
        ValueError: the weights are those of another network or game.
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
