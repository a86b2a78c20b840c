"""All settings of a GAN training in one tree. Other fields' meaning and unit stand beside their consumer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from gan.data.images import DataSettings
from gan.evaluation.scores import ScoreSettings
from gan.standard.losses import LossSettings
from gan.standard.networks import NetworkSettings
from training.device import Precision, check_compute, resolve_device
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How both networks are trained (`gan.standard.trainer`)."""

    images: Annotated[int, tyro.conf.arg(aliases=["--images"])] = 1_000_000
    """Real images shown to the discriminator, in all."""
    batch_size: int = 64
    generator_rate: float = 2e-4  # Adam's learning rate
    discriminator_rate: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.99
    decay_from: float = 1.0  # share of `images` from which both rates fall in a straight line to 0; 1 for never
    critic_steps: int = 1  # discriminator updates for each of the generator
    average_images: int = 10_000  # half-life of the generator's moving average; 0 keeps none
    precision: Precision = "auto"  # auto: bf16 where that is faster
    device: str = "auto"  # auto: cuda where there is one, else cpu

    def __post_init__(self) -> None:
        check_kinds(self)
        if min(self.images, self.batch_size, self.critic_steps) < 1 or self.average_images < 0:
            raise ValueError("training.images, batch_size and critic_steps must be 1 or more, average_images 0 or more")
        for name in ("generator_rate", "discriminator_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"training.{name} is {getattr(self, name)}: a learning rate is above 0")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError("training.beta1 and beta2 lie in 0..1, 1 left out")
        if not 0 <= self.decay_from <= 1:
            raise ValueError(f"training.decay_from is {self.decay_from}: a share of training lies in 0..1")
        check_compute("training", self.precision, self.device)

    def resolve_device(self) -> str:
        """The device that `auto` stands for here.

        Raises:
            ValueError: the named device is not on this machine.
        """
        return resolve_device(self.device, "training.device")


@dataclass(frozen=True, kw_only=True)
class GanSettings:
    """One GAN training."""

    seed: int = 0
    minutes: float = 1e9  # of wall clock; whoever runs the training keeps to it
    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def __post_init__(self) -> None:
        check_kinds(self, "")
        if not 0 <= self.seed < 2**31 or self.minutes <= 0:
            raise ValueError(f"seed is a number from 0 to {2**31 - 1}, and minutes are above 0")
        norm, penalty = self.network.discriminator_norm, self.loss.penalty
        if norm == "batch" and penalty != "none":
            raise ValueError(
                f"network.discriminator_norm batch mixes the images of a batch, loss.penalty {penalty} needs the slope "
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
