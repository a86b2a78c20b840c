"""All settings of a GAN training; the fields of each section are documented where they are defined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.losses import LossSettings
from gan.settings import TrainingSettings, check_run
from gan.standard.networks import NetworkSettings


@dataclass(frozen=True, kw_only=True)
class GanSettings:
    """One GAN training."""

    family: ClassVar[str] = "gan.standard.parts"  # module of its factories (`gan.parts`)
    seed: int = 0
    minutes: float = 1e9  # wall-clock limit, checked by the session
    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def __post_init__(self) -> None:
        check_run(self)
        norm, penalty = self.network.discriminator_norm, self.loss.penalty
        if norm == "batch" and penalty != "none":
            raise ValueError(
                f"network.discriminator_norm batch mixes the images of a batch, loss.penalty {penalty} needs gradients "
                "of each: use norm none or spectral, or penalty none"
            )
        if self.loss.kind == "wasserstein" and penalty == "none" and norm != "spectral":
            raise ValueError(
                "loss.kind wasserstein needs a bounded slope: use loss.penalty gradient, or discriminator_norm spectral"
            )
        if self.training.batch_size % self.network.pack:
            raise ValueError(
                f"training.batch_size {self.training.batch_size} is no multiple of network.pack {self.network.pack}"
            )
        if self.network.conditional and self.data.stack > 1:
            raise ValueError("network.conditional does not know the classes of stacks: use data.stack 1")
        if self.network.conditional and self.data.beside > 1:
            raise ValueError("images side by side have no classes: use --network.no-conditional")
