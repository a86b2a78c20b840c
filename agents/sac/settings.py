"""All settings of a CrossQ run; the fields of each section are documented where they are defined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from agents.acting.exploration import ExplorationSettings
from agents.dqn.settings import Settings
from agents.sac.learner_settings import SacLearnerSettings
from agents.sac.networks import SacNetworkSettings


def _always() -> ExplorationSettings:
    return ExplorationSettings(start=1.0, final=1.0)


@dataclass(frozen=True, kw_only=True)
class SacSettings(Settings):
    """One CrossQ run (Bhatt et al. 2024): the loop, replay and fleet of deep Q-learning, another network and learner.

    Exploration's epsilon is the probability that a joint's torque is sampled from the Gaussian instead of its mean.

    Raises:
        ValueError: a setting is out of its range, or not supported by CrossQ.
    """

    parts: ClassVar[str] = "agents.sac.parts"
    network: SacNetworkSettings = field(default_factory=SacNetworkSettings)  # type: ignore[assignment]
    exploration: ExplorationSettings = field(default_factory=_always)
    learner: SacLearnerSettings = field(default_factory=SacLearnerSettings)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.replay.prioritized:
            raise ValueError("replay.prioritized is for Q-networks: CrossQ draws uniformly, leave it out")
        if self.fleet.learners > 1:
            raise ValueError(
                f"fleet.learners is {self.fleet.learners}: the norms of CrossQ know one learner's batches, use 0 or 1"
            )
