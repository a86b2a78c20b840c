"""Trainer of the style-based family. Legend: B images a batch, L layers, S size of a style."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gan.adversarial import adversarial_step
from gan.data.images import Images, to_float
from gan.data.order import EpochSampler, class_labels
from gan.standard.networks import Discriminator
from gan.style.networks import StyleGenerator, switch_styles
from gan.style.settings import StyleSettings
from gan.updates import load_training_state, optimizers_of, to_device, train_steps, training_state
from training.device import moved, resolve_device
from training.seeding import torch_seed


class StyleTrainer:
    """Both networks, their optimisers, the generator's moving average and the random generators."""

    def __init__(self, settings: StyleSettings, data: Images) -> None:
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch_seed(settings.seed):
            self.generator = to_device(StyleGenerator(settings.network, data.shape, data.classes), self.device)
            opponent = Discriminator(settings.network.opponent(), data.shape, data.classes)
            self.discriminator = to_device(opponent, self.device)
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
        index = moved(torch.from_numpy(self.order.next(self.settings.training.batch_size)), self.device)
        return to_float(self.pixels[index]), None if self.labels is None else self.labels[index]

    def fake_batch(self, amount: int, label: Tensor | None) -> Tensor:
        """Return generated images [amount, C, H, W] of these classes, with new styles and noise."""
        noise = [moved(each, self.device) for each in self.generator.noise(amount, self.rng)]
        return self.generator.synthesis(self.styles(amount), label, noise)

    def styles(self, amount: int) -> Tensor:
        """Sample styles [B, L, S]; with probability `mixing` of two latents, switched at one layer (section 3.1).

        The layer is uniform over all but the first. Sampled on the CPU, so that a seed does not depend on the device.
        """
        latent = torch.randn(2, amount, self.settings.network.latent, generator=self.rng)
        depth = self.generator.depth
        layer = torch.randint(1, depth, (amount,), generator=self.rng)
        mixed = torch.rand(amount, generator=self.rng) < self.settings.mixing
        first, second = self.generator.mapping(moved(latent, self.device).flatten(0, 1)).chunk(2)
        return switch_styles(first, second, moved(layer.where(mixed, depth), self.device), depth)

    def logits(self, images: Tensor, label: Tensor | None) -> Tensor:
        """Return the discriminator's logits [B] of images of these classes."""
        logit: Tensor = self.discriminator(images, label)
        return logit

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit, as nested values and arrays."""
        return training_state(self, order=self.order)

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state`; ValueError if networks or data differ."""
        load_training_state(self, state, order=self.order)
