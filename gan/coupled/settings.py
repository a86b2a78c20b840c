"""All settings of a coupled GAN training; the fields of each section are documented where they are defined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from gan.coupled.domains import Second
from gan.coupled.networks import CoupledNetworkSettings
from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.losses import LossSettings
from gan.settings import TrainingSettings, check_run, check_single


@dataclass(frozen=True, kw_only=True)
class CoupledSettings:
    """One training of a coupled GAN (Liu and Tuzel 2016, arXiv:1606.07536).

    Raises:
        ValueError: a setting is out of range, or not supported by this family.
    """

    family: ClassVar[str] = "gan.coupled.parts"  # module of its factories (`gan.parts`)
    seed: int = 0
    minutes: float = 1e9  # wall-clock limit, checked by the session
    second: Second = "edges"  # the second domain; the first one has the unchanged images
    data: DataSettings = field(default_factory=DataSettings)
    network: CoupledNetworkSettings = field(default_factory=CoupledNetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)  # each batch has one half per domain
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def __post_init__(self) -> None:
        check_run(self)
        check_single(self)
        if self.training.batch_size % 2:
            raise ValueError(
                f"training.batch_size is {self.training.batch_size}: half is of each domain, use an even one"
            )
