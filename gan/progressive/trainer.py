"""Trainer of progressive growing. Legend: B images a batch, Z size of a latent, h and w pixels at the level."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from gan.adversarial import adversarial_step
from gan.data.images import Images, to_float
from gan.data.order import EpochSampler, class_labels
from gan.progressive.growth import level_at, real_at
from gan.progressive.networks import GrowingDiscriminator, GrowingGenerator, Stages
from gan.progressive.settings import ProgressiveSettings
from gan.shapes import stages_of
from gan.updates import load_training_state, optimizers_of, to_device, train_steps, training_state
from training.device import moved, resolve_device
from training.seeding import torch_seed


class ProgressiveTrainer:
    """Both networks, their optimisers, the generator's moving average at every stage and the random generators."""

    def __init__(self, settings: ProgressiveSettings, data: Images) -> None:
        self.top, stages = stages_of(*data.shape[1:]), settings.growth.stages
        if stages > self.top + 1:
            raise ValueError(
                f"growth.stages is {stages}, images of {data.name} have {self.top + 1} sizes: use that or less"
            )
        growth, images = settings.growth.images, settings.training.images
        if growth >= images:  # older runs must load: the rest of `check_growth` is for new runs
            raise ValueError(
                f"training.images is {images}, and the last size is whole after {growth}: "
                "give more, or lower growth.stages, stable_images and fade_images"
            )
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch_seed(settings.seed):
            self.generator = to_device(GrowingGenerator(settings.network, data.shape, data.classes), self.device)
            discriminator = GrowingDiscriminator(settings.network, data.shape, data.classes)
            self.discriminator = to_device(discriminator, self.device)
        self.level = self.level_at(0)
        self.generator.level.fill_(self.level)
        self.average = Stages(copy.deepcopy(self.generator), stages - 1).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.pixels = torch.from_numpy(data.train.images).to(self.device)
        self.labels = class_labels(data, settings.network.conditional, self.device)
        self.order = EpochSampler(len(data.train), settings.seed)
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images seen, generator updates

    def level_at(self, images: int) -> float:
        """Return the level after `images` images."""
        return level_at(images, self.settings.growth, self.top)

    def step(self) -> dict[str, Tensor]:
        """Do the discriminator updates and the generator update of a step; return the last losses, on the device."""
        self.grow()
        return adversarial_step(self, self.average.newest)

    def train(self, steps: int) -> dict[str, float]:
        """Do `steps` steps; return the last losses. FloatingPointError if training has diverged."""
        return train_steps(self, steps)

    def grow(self) -> None:
        """Set the level that is due; if a new size starts, keep the average of the last one."""
        level, before = self.level_at(self.images), math.ceil(self.level)
        if math.ceil(level) > before:
            self.average.finish(before - math.ceil(self.level_at(0)))
        self.level = level
        self.generator.level.fill_(level)

    def real_batch(self) -> tuple[Tensor, Tensor | None]:
        """Return the next training images [B, C, h, w] at the level, and their classes [B] for conditional networks."""
        index = moved(torch.from_numpy(self.order.next(self.settings.training.batch_size)), self.device)
        label = None if self.labels is None else self.labels[index]
        return real_at(to_float(self.pixels[index]), self.level, self.top), label

    def fake_batch(self, amount: int, label: Tensor | None) -> Tensor:
        """Return generated images [amount, C, h, w] of these classes, at the level."""
        return self.generator.grown(self.latents(amount), label, self.level)

    def latents(self, amount: int) -> Tensor:
        """Sample standard normal latents [amount, Z], on the CPU so that they do not depend on the device."""
        return moved(torch.randn(amount, self.settings.network.latent, generator=self.rng), self.device)

    def logits(self, images: Tensor, label: Tensor | None) -> Tensor:
        """Return the discriminator's logits [B] of images of these classes, at the level."""
        logit: Tensor = self.discriminator(images, label, self.level)
        return logit

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit, as nested values and arrays."""
        return {**training_state(self, order=self.order), "level": self.level}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state`; ValueError if networks or data differ."""
        load_training_state(self, state, order=self.order)
        self.level = float(state["level"])
