"""The trainer of a style-based generator. Legend: B images a batch, L layers, S numbers of a style."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gan.adversarial import adversarial_step
from gan.data.images import Images, to_float
from gan.data.order import EpochSampler, class_labels
from gan.standard.networks import Discriminator
from gan.style.networks import StyleGenerator, crossed
from gan.style.settings import StyleSettings
from gan.updates import load_training_state, optimizers_of, to_device, train_steps, training_state
from training.device import moved, resolve_device
from training.seeding import torch_seed


class StyleTrainer:
    """Both networks, their optimisers, the generator's moving average and every source of chance."""

    def __init__(self, settings: StyleSettings, data: Images) -> None:
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch_seed(settings.seed):  # initial weights follow from the seed alone
            self.generator = to_device(StyleGenerator(settings.network, data.shape, data.classes), self.device)
            opponent = Discriminator(settings.network.opponent(), data.shape, data.classes)
            self.discriminator = to_device(opponent, self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.pixels = torch.from_numpy(data.train.images).to(self.device)
        self.labels = class_labels(data, settings.network.conditional, self.device)
        self.order = EpochSampler(len(data.train), settings.seed)
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images the discriminator has seen, generator updates

    def step(self) -> dict[str, Tensor]:
        """One update of the generator after its share of discriminator updates; their last losses, on the device."""
        return adversarial_step(self, self.average)

    def train(self, steps: int) -> dict[str, float]:
        """So many of these steps -> the last losses; FloatingPointError where training has diverged."""
        return train_steps(self, steps)

    def real_batch(self) -> tuple[Tensor, Tensor | None]:
        """The next training images [B, C, H, W] in -1..1 and, for conditional networks, their classes [B]."""
        index = moved(torch.from_numpy(self.order.next(self.settings.training.batch_size)), self.device)
        return to_float(self.pixels[index]), None if self.labels is None else self.labels[index]

    def fake_batch(self, amount: int, label: Tensor | None) -> Tensor:
        """Images [amount, C, H, W] of these classes, of new styles and new noise."""
        noise = [moved(each, self.device) for each in self.generator.noise(amount, self.rng)]
        return self.generator.synthesis(self.styles(amount), label, noise)

    def styles(self, amount: int) -> Tensor:
        """Styles [B, L, S]; with probability `mixing` an image changes to another latent's at some layer (section 3.1).

        The layer is any but the first, each as likely. Chance is drawn on the CPU: a seed means the same everywhere.
        """
        latent = torch.randn(2, amount, self.settings.network.latent, generator=self.rng)
        depth = self.generator.depth
        layer = torch.randint(1, depth, (amount,), generator=self.rng)
        mixed = torch.rand(amount, generator=self.rng) < self.settings.mixing
        first, second = self.generator.mapping(moved(latent, self.device).flatten(0, 1)).chunk(2)
        return crossed(first, second, moved(layer.where(mixed, depth), self.device), depth)

    def logits(self, images: Tensor, label: Tensor | None) -> Tensor:
        """The discriminator's word [B] on images of these classes."""
        logit: Tensor = self.discriminator(images, label)
        return logit

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to go on bit for bit, as nested plain values and arrays."""
        return training_state(self, order=self.order)

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state of a trainer with the same networks and data; ValueError where they are others."""
        load_training_state(self, state, order=self.order)
