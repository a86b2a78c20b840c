"""The training loop that grows its networks. Legend: B images a batch."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from gan.data.images import Images, to_float
from gan.data.order import EpochSampler, told_classes
from gan.progressive.growth import level_at, real_at
from gan.progressive.networks import GrowingDiscriminator, GrowingGenerator, Stages
from gan.progressive.settings import ProgressiveSettings
from gan.standard.losses import discriminator_loss, generator_loss, slope_penalty
from gan.standard.networks import stages_of
from gan.updates import descend, load_saved, move_average, optimizers_of, placed, saved, set_rates, trained
from training.device import autocast, moved, resolve_device


class ProgressiveTrainer:
    """Both networks, their optimisers, the generator's moving average at every stage and every source of chance."""

    def __init__(self, settings: ProgressiveSettings, data: Images) -> None:
        self.top, stages = stages_of(*data.shape[1:]), settings.growth.stages
        if stages > self.top + 1:
            raise ValueError(
                f"growth.stages is {stages}, images of {data.name} have {self.top + 1} sizes: use that or less"
            )
        if settings.growth.images >= settings.training.images:
            raise ValueError(
                f"training.images is {settings.training.images}, and the last size is whole after "
                f"{settings.growth.images}: give more, or lower growth.stages, stable_images and fade_images"
            )
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch.random.fork_rng(devices=[]):  # initial weights follow from the seed alone
            torch.manual_seed(settings.seed)
            self.generator = placed(GrowingGenerator(settings.network, data.shape, data.classes), self.device)
            self.discriminator = placed(GrowingDiscriminator(settings.network, data.shape, data.classes), self.device)
        self.level = self.level_at(0)
        self.generator.level.fill_(self.level)
        self.average = Stages(copy.deepcopy(self.generator), stages - 1).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.pixels = torch.from_numpy(data.train.images).to(self.device)
        self.labels = told_classes(data, settings.network.conditional, self.device)
        self.order = EpochSampler(len(data.train), settings.seed)
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images the discriminator has seen, generator updates

    def level_at(self, images: int) -> float:
        """The level after so many images."""
        return level_at(images, self.settings.growth, self.top)

    def step(self) -> dict[str, Tensor]:
        """One update of the generator after its share of discriminator updates; their last losses, on the device."""
        set_rates(self.optimizers, self.settings.training, self.images)
        self.grow()
        for _ in range(self.settings.training.critic_steps):
            losses = self.train_discriminator()
        losses |= self.train_generator()
        self.steps += 1
        move_average(self.average.newest, self.generator, self.settings.training, self.images)
        return losses

    def grow(self) -> None:
        """Go to the level that is due; where a new size begins with it, the average of the last one is kept."""
        level, before = self.level_at(self.images), math.ceil(self.level)
        if math.ceil(level) > before:
            self.average.finish(before - math.ceil(self.level_at(0)))
        self.level = level
        self.generator.level.fill_(level)

    def train_discriminator(self) -> dict[str, Tensor]:
        """One update on a batch of real images and one of fakes, both at the level."""
        s, level = self.settings.loss, self.level
        real, label = self.real_batch()
        with torch.no_grad(), self.precision():
            fake = self.generator.grown(self.latents(len(real)), label, level)
        penalised = s.penalised(self.images // len(real))
        both = torch.cat([real, fake]).requires_grad_(penalised)
        with self.precision():
            logit = self.discriminator(both, None if label is None else label.repeat(2), level)
        real_logit, fake_logit = logit.chunk(2)
        loss = discriminator_loss(s.kind, real_logit, fake_logit)
        found = {"discriminator_loss": loss.detach(), "margin": (real_logit - fake_logit).detach().mean()}
        if penalised:
            penalty = slope_penalty(s.penalty, logit, both, len(real))
            loss = loss + s.every * s.weight * penalty
            found["penalty"] = penalty.detach()
        descend(self.optimizers["discriminator"], loss)
        self.images += len(real)
        return found

    def train_generator(self) -> dict[str, Tensor]:
        """One update; the error comes back through the discriminator, which stays as it is."""
        self.discriminator.requires_grad_(False)
        kind, level = self.settings.loss.kind, self.level
        real, label = self.real_batch()
        with self.precision():
            fake_logit = self.discriminator(self.generator.grown(self.latents(len(real)), label, level), label, level)
            with torch.no_grad():  # only the relativistic loss compares with real images here
                real_logit = self.discriminator(real, label, level) if kind == "relativistic" else fake_logit
        loss = generator_loss(kind, real_logit, fake_logit)
        descend(self.optimizers["generator"], loss)
        self.discriminator.requires_grad_(True)
        return {"generator_loss": loss.detach()}

    def real_batch(self) -> tuple[Tensor, Tensor | None]:
        """The next training images [B, C, h, w] at the level and, for conditional networks, their classes [B]."""
        index = moved(torch.from_numpy(self.order.next(self.settings.training.batch_size)), self.device)
        label = None if self.labels is None else self.labels[index]
        return real_at(to_float(self.pixels[index]), self.level, self.top), label

    def latents(self, amount: int) -> Tensor:
        """Standard normal [B, Z]; drawn on the CPU, so that a seed means the same on every device."""
        return moved(torch.randn(amount, self.settings.network.latent, generator=self.rng), self.device)

    def precision(self) -> torch.autocast:
        """The context in which networks compute; parameters and losses stay float32."""
        return autocast(self.device, self.settings.training.precision)

    def train(self, steps: int) -> dict[str, float]:
        """`steps` steps -> the last one's losses.

        Raises:
            FloatingPointError: training has diverged.
        """
        return trained(self, steps)

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to go on bit for bit, as nested plain values and arrays."""
        return {**saved(self), "order": self.order.state(), "level": self.level}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state of a trainer with the same networks and data; learning rates stay those of the settings.

        Raises:
            ValueError: the networks or the data are others.
        """
        self.order.load_state(state["order"])
        load_saved(self, state)
        self.level = float(state["level"])
