"""Where a trained policy lies: in a run directory, or in a folder that `Quarterdeck.save_to_path` wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

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


def record_of(directory: RunDir) -> dict[str, Any]:
    """What is known of the run: its preset and settings, and more where a command made it.

    Raises:
        ValueError: nothing of ours is there.
    """
    if (directory.path / FOLDER).is_dir() and not (directory.path / MARKER).exists():
        saved = checkpoint.load(directory.path / FOLDER, only="settings")["settings"]
        return {"preset": RLLIB, "workload": "dqn", "settings": settings_in_todays_words(saved)}
    return directory.record()


def network_settings(record: dict[str, Any], settings_of: SettingsOf, otherwise: str) -> NetworkedSettings:
    """The settings of a run that trained a Q-network, by whichever algorithm.

    Raises:
        ValueError: the run trained something else; the message begins with `otherwise`.
    """
    settings = settings_of(record)
    if not hasattr(settings, "parts"):
        raise ValueError(f"{otherwise}: name a run of a deep Q-network, this is one of {record['preset']}")
    found: NetworkedSettings = settings
    return found


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
