"""Training settings of all families, and their validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from training.device import Precision, check_device
from training.settings import check_kinds, check_seed


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Settings of the updates (`gan.updates`, and the trainer of each family)."""

    images: Annotated[int, tyro.conf.arg(aliases=["--images"])] = 1_000_000
    """Real images shown to the discriminator, in all."""
    batch_size: int = 64
    generator_rate: float = 2e-4  # Adam's learning rate
    discriminator_rate: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.99
    decay_from: float = 1.0  # fraction of `images` after which both rates decay linearly to 0; 1 for never
    critic_steps: int = 1  # discriminator updates per generator update
    average_images: int = 10_000  # half-life of the generator's moving average; 0 for none
    precision: Precision = "auto"  # auto: bf16 if it is faster
    device: str = "auto"  # auto: cuda if available, else cpu

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
    """Check settings that all families share.

    Raises:
        ValueError: a type is wrong, or the seed or the minutes are out of range.
    """
    check_kinds(settings, "")
    check_seed(settings.seed)
    if settings.minutes <= 0:
        raise ValueError(f"minutes is {settings.minutes}: minutes are above 0")


def check_single(settings: Any) -> None:
    """Check that features of the standard family are not used: gradient penalties, stacked or adjacent images.

    Raises:
        ValueError: one is used.
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
