"""Settings of behaviour cloning and of offline deep Q-learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import tyro

from agents.dqn.learner_settings import LearnerSettings
from agents.imitation.learner import CloningLearnerSettings
from agents.networks.q_network import NetworkSettings
from agents.settings import EvaluationSettings
from envs.base import EnvSettings
from training.settings import check_kinds, check_seed


def judged_in_the_end() -> EvaluationSettings:
    """Return evaluation settings for a closing evaluation only."""
    return EvaluationSettings(every_steps=0)


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """Settings of every training from a data set, which plays games for evaluation only.

    Raises:
        ValueError: a setting is out of its range.
    """

    dataset: str = ""  # folder that `quarterdeck record` made, or one of Minari's
    samples: int = 1_000_000  # frames to train on, each counted as often as it is drawn
    minutes: float = 1e9  # of wall clock
    env: Annotated[EnvSettings, tyro.conf.arg(name="")] = field(default_factory=EnvSettings)  # the data set's own
    parts: ClassVar[str] = "agents.imitation.parts"  # module that builds the policy (`agents.parts`)
    seed: int = 0
    checkpoint_minutes: float = 5.0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    evaluation: EvaluationSettings = field(default_factory=judged_in_the_end)

    def __post_init__(self) -> None:
        check_kinds(self, "")
        check_seed(self.seed)
        if self.samples < 1 or self.minutes <= 0 or self.checkpoint_minutes <= 0:
            raise ValueError("samples must be 1 or more, minutes and checkpoint_minutes above 0")
        if self.evaluation.every_steps:
            raise ValueError("evaluation.every_steps needs a process of its own, which cloning lacks: use 0")


@dataclass(frozen=True, kw_only=True)
class CloningSettings(DatasetSettings):
    """Behaviour cloning (Pomerleau 1989, "ALVINN"): classification of frames by the action taken."""

    holdout: float = 0.1  # share of the episodes that are held out from training
    labels: int = 0  # actions of the other episodes to train on; 0 for all
    learner: CloningLearnerSettings = field(default_factory=CloningLearnerSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.holdout < 1 or self.labels < 0:
            raise ValueError("holdout is a share in 0..1, below 1, labels 0 (all) or more")
        if self.network.head != "scalar":
            raise ValueError(f"network.head is {self.network.head!r}: an action has one logit here, use scalar")
        if self.network.noisy:
            raise ValueError("network.noisy is for agents that explore: a classifier does not, use false")


@dataclass(frozen=True, kw_only=True)
class OfflineSettings(DatasetSettings):
    """Offline deep Q-learning from a data set."""

    n_step: int = 1  # rewards in an n-step return
    learner: LearnerSettings = field(default_factory=LearnerSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.n_step <= 32:
            raise ValueError(f"n_step is {self.n_step}: use 1 to 32")
