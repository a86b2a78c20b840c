"""Where a trained policy lies: in a run directory, or in a folder that `Quarterdeck.save_to_path` wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from agents.acting.policy import QPolicy
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.settings import AgentSettings
from envs import EnvSettings, EnvSpec, make_env
from training.device import Precision
from training.storage import checkpoint
from training.storage.older import settings_in_todays_words
from training.storage.resume import read_newest
from training.storage.run_dir import MARKER, RunDir

FOLDER = "quarterdeck"  # the directory of ours inside a checkpoint of RLlib's
RLLIB = "rllib"  # stands for the preset's name
N = TypeVar("N", bound=nn.Module)
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


def q_policy_of(state: dict[str, Any], network: NetworkSettings, env: EnvSettings, precision: Precision) -> QPolicy:
    """The policy in a checkpoint's `learner` branch, on the CPU, for an env like `env`.

    Raises:
        ValueError: the weights are those of another network or game.
    """
    spec = spec_of(env)
    return QPolicy(network_with(QNetwork(network, spec.frame_shape, spec.num_actions), state), precision=precision)


def spec_of(env: EnvSettings) -> EnvSpec:
    """What an env like `env` shows and takes."""
    shown = make_env(env, 1)
    shown.close()
    return shown.spec


def network_with(network: N, state: dict[str, Any]) -> N:
    """The network with the policy's weights of a checkpoint's `learner` branch; it learns no more.

    Raises:
        ValueError: the weights are those of another network or game.
    """
    try:
        network.load_state_dict({name: torch.tensor(value) for name, value in state["learner"]["policy"].items()})
    except RuntimeError:
        raise ValueError("the checkpoint's network does not fit its settings: train anew, or restore the run") from None
    return network.requires_grad_(False)


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
