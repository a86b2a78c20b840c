"""All settings of a DecQN run: those of deep Q-learning, with the head for torques."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from agents.decoupled.head import HEAD
from agents.dqn.settings import Settings
from agents.networks.q_network import NetworkSettings


def _bins() -> NetworkSettings:
    return NetworkSettings(kind="mlp", stack=1, head=HEAD)


@dataclass(frozen=True, kw_only=True)
class DecoupledSettings(Settings):
    """One DecQN run (Seyde et al. 2023), with the learner, replay and fleet of deep Q-learning.

    Raises:
        ValueError: a setting is out of its range, or not supported by this head.
    """

    parts: ClassVar[str] = "agents.decoupled.parts"
    network: NetworkSettings = field(default_factory=_bins)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network.head != HEAD or self.network.dueling:
            raise ValueError(f"network.head is {self.network.head!r}: torques have {HEAD}, without network.dueling")
        if self.learner.munchausen or self.learner.conservative:
            raise ValueError("learner.munchausen and conservative are for numbered actions: leave them at 0")
        if self.replay.initial_priority != "max":
            raise ValueError("replay.initial_priority actor is for numbered actions: use max")
        if self.network.noisy:
            raise ValueError("network.noisy is for numbered actions: torques explore by exploration.*, use false")
