"""Settings that every family has: how its networks are trained, and what none of its trainings can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from training.device import Precision, check_device
from training.settings import check_kinds, check_seed


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How both networks are trained (`gan.updates`, and the trainer of each family)."""

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
        check_kinds(self, "training")
        if min(self.images, self.batch_size, self.critic_steps) < 1 or self.average_images < 0:
            raise ValueError("training.images, batch_size and critic_steps must be 1 or more, average_images 0 or more")
        for name in ("generator_rate", "discriminator_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"training.{name} is {getattr(self, name)}: a learning rate is above 0")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError("training.beta1 and beta2 lie in 0..1, 1 left out")
        if not 0 <= self.decay_from <= 1:
            raise ValueError(f"training.decay_from is {self.decay_from}: a share of training lies in 0..1")
        check_device("training", self.device)


def check_run(settings: Any) -> None:
    """Refuse what no training of any family can have.

    Raises:
        ValueError: a value's type is wrong, or the seed or the minutes are out of their range.
    """
    check_kinds(settings, "")
    check_seed(settings.seed)
    if settings.minutes <= 0:
        raise ValueError(f"minutes is {settings.minutes}: minutes are above 0")


def check_single(settings: Any) -> None:
    """Refuse what the standard family alone has: a penalty between real images and fakes, and several images as one.

    Raises:
        ValueError: the loss wants that penalty, or images are stacked or side by side.
    """
    loss, data = settings.loss, settings.data
    if loss.kind == "wasserstein" or loss.penalty == "gradient":
        raise ValueError(
            "this family has no gradient penalty: use another loss.kind than wasserstein, and loss.penalty r1 or r1r2"
        )
    if max(data.stack, data.beside) > 1:
        raise ValueError(
            f"data.stack is {data.stack}, data.beside {data.beside}: this family is for single images, use 1"
        )
