"""All settings of a cycle-consistent GAN's training in one tree. Other fields' meaning stands beside their consumer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from gan.cycle.domains import Second
from gan.cycle.networks import CycleNetworkSettings
from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.losses import LossSettings
from gan.settings import TrainingSettings, check_run, check_single
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class ReturnSettings:
    """What holds a translation to its image (Zhu et al. 2017, equations 2 and 3, section 5.2)."""

    cycle: float = 10.0  # weight of |back(forth(x)) - x| and of its counterpart, means over pixels
    identity: float = 0.0  # weight of |forth(y) - y|: what is in the domain already stays as it is
    noise: float = 0.0
    """Standard deviation of noise on a translation before it goes back, of pixels in -1..1. Faint patterns, in which
    translators hide what they need for the way back, are lost in it (Bashkirova et al. 2019)."""
    meaning: float = 0.0
    """Weight of the cross-entropy of what classifiers of both domains read in translations; needs classes
    (`gan.cycle.meaning`)."""
    pool: int = 50  # earlier fakes of each domain that the discriminators are shown in turn; 0 for the newest alone

    def __post_init__(self) -> None:
        check_kinds(self, "held")
        for name in ("cycle", "identity", "noise", "meaning", "pool"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"held.{name} is {getattr(self, name)}: give 0 or more")


@dataclass(frozen=True, kw_only=True)
class CycleSettings:
    """One training of a cycle-consistent GAN (Zhu et al. 2017, arXiv:1703.10593).

    Raises:
        ValueError: a setting is out of its range, or not one that this family has.
    """

    family: ClassVar[str] = "gan.cycle.parts"  # what it is made of (`gan.parts`)
    seed: int = 0
    minutes: float = 1e9  # of wall clock; whoever runs the training keeps to it
    second: Second = "small_digits"  # the second domain; the first one is the images as they are
    data: DataSettings = field(default_factory=DataSettings)
    network: CycleNetworkSettings = field(default_factory=CycleNetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    held: ReturnSettings = field(default_factory=ReturnSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)  # half of a batch is of each domain
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def __post_init__(self) -> None:
        check_run(self)
        check_single(self)
        if self.training.batch_size % 2:
            raise ValueError(
                f"training.batch_size is {self.training.batch_size}: half is of each domain, use an even one"
            )
        if self.training.critic_steps > 1:
            raise ValueError(f"training.critic_steps is {self.training.critic_steps}: both players move in turn, use 1")
