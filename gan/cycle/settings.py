"""All settings of a cycle-consistent GAN training; the fields of each section are documented where they are defined."""

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
class ConsistencySettings:
    """Losses that tie a translation to its image (Zhu et al. 2017, equations 2 and 3, section 5.2)."""

    cycle: float = 10.0  # weight of |back(forth(x)) - x| + |forth(back(y)) - y|, means over pixels
    identity: float = 0.0  # weight of |forth(y) - y| + |back(x) - x|: images of the target domain stay unchanged
    noise: float = 0.0
    """Standard deviation of noise added to a translation before it is translated back, for pixels in -1..1. It drowns
    faint patterns in which translators hide information about the original (Bashkirova et al. 2019)."""
    meaning: float = 0.0
    """Weight of the cross-entropy between the class of an image and the classifier's prediction for its translation;
    needs classes (`gan.cycle.semantic`)."""
    pool: int = 50  # size of the buffer of earlier fakes per domain, for discriminator updates; 0: newest only

    def __post_init__(self) -> None:
        check_kinds(self, "held")
        for name in ("cycle", "identity", "noise", "meaning", "pool"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"held.{name} is {getattr(self, name)}: give 0 or more")


@dataclass(frozen=True, kw_only=True)
class CycleSettings:
    """One training of a cycle-consistent GAN (Zhu et al. 2017, arXiv:1703.10593).

    Raises:
        ValueError: a setting is out of range, or not supported by this family.
    """

    family: ClassVar[str] = "gan.cycle.parts"  # module of its factories (`gan.parts`)
    seed: int = 0
    minutes: float = 1e9  # wall-clock limit, checked by the session
    second: Second = "small_digits"  # the second domain; the first one has the unchanged images
    data: DataSettings = field(default_factory=DataSettings)
    network: CycleNetworkSettings = field(default_factory=CycleNetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    held: ConsistencySettings = field(default_factory=ConsistencySettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)  # each batch has one half per domain
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def __post_init__(self) -> None:
        check_run(self)
        check_single(self)
        if self.training.batch_size % 2:
            raise ValueError(
                f"training.batch_size is {self.training.batch_size}: half is of each domain, use an even one"
            )
        if self.training.critic_steps > 1:
            raise ValueError(f"training.critic_steps is {self.training.critic_steps}: updates alternate, use 1")
