"""Trainer of the standard family. Legend: B images a batch."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gan.adversarial import adversarial_step
from gan.data.images import Images, to_float
from gan.data.order import EpochSampler, class_labels
from gan.standard.networks import Discriminator, Generator
from gan.standard.settings import GanSettings
from gan.updates import load_training_state, optimizers_of, to_device, train_steps, training_state
from training.device import moved, resolve_device
from training.seeding import torch_seed


class Trainer:
    """Both networks, their optimisers, the generator's moving average and the random generators."""

    def __init__(self, settings: GanSettings, data: Images) -> None:
        if len(data.train) < settings.data.stack:
            raise ValueError(f"{data.name} has fewer training images than a stack")
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch_seed(settings.seed):
            self.generator = Generator(settings.network, data.shape, data.classes)
            self.discriminator = Discriminator(settings.network, data.shape, data.classes)
        for network in (self.generator, self.discriminator):
            to_device(network, self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.pixels = torch.from_numpy(data.train.images).to(self.device)
        self.labels = class_labels(data, settings.network.conditional, self.device)
        self.order = EpochSampler(len(data.train), settings.seed)
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images seen, generator updates

    def step(self) -> dict[str, Tensor]:
        """Do the discriminator updates and the generator update of a step; return the last losses, on the device."""
        return adversarial_step(self, self.average)

    def train(self, steps: int) -> dict[str, float]:
        """Do `steps` steps; return the last losses. FloatingPointError if training has diverged."""
        return train_steps(self, steps)

    def real_batch(self) -> tuple[Tensor, Tensor | None]:
        """Return the next training images [B, C, H, W] in -1..1, and their classes [B] for conditional networks."""
        amount, stack = self.settings.training.batch_size, self.data.stack
        index = moved(torch.from_numpy(self.order.next(amount * stack)), self.device)
        label = None if self.labels is None else self.labels[index]
        return to_float(self.pixels[index.view(amount, stack)].flatten(1, 2)), label

    def fake_batch(self, amount: int, label: Tensor | None) -> Tensor:
        """Return generated images [amount, C, H, W] of these classes."""
        images: Tensor = self.generator(self.latents(amount), label)
        return images

    def latents(self, amount: int) -> Tensor:
        """Sample standard normal latents [B, Z], on the CPU so that they do not depend on the device."""
        return moved(torch.randn(amount, self.settings.network.latent, generator=self.rng), self.device)

    def logits(self, images: Tensor, label: Tensor | None) -> Tensor:
        """Return the discriminator's logits [B / pack] of images of these classes."""
        logit: Tensor = self.discriminator(images, label)
        return logit

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit, as nested values and arrays."""
        return training_state(self, order=self.order)

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state`; ValueError if networks or data differ."""
        load_training_state(self, state, order=self.order)
