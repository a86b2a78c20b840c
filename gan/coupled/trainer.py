"""The trainer of a coupled GAN. Legend: B images a batch, half of each domain; pairs lie side by side."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gan.adversarial import adversarial_step
from gan.coupled.domains import domains_of
from gan.coupled.networks import CoupledDiscriminator, CoupledGenerator
from gan.coupled.settings import CoupledSettings
from gan.data.images import Images
from gan.data.order import Unpaired
from gan.updates import load_training_state, optimizers_of, to_device, train_steps, training_state
from training.device import moved, resolve_device
from training.seeding import torch_seed


class CoupledTrainer:
    """Both pairs of networks, their optimisers, the generators' moving average and every source of chance."""

    def __init__(self, settings: CoupledSettings, data: Images) -> None:
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch_seed(settings.seed):  # initial weights follow from the seed alone
            self.generator = to_device(CoupledGenerator(settings.network, data.shape), self.device)
            self.discriminator = to_device(CoupledDiscriminator(settings.network, data.shape), self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.real = Unpaired(domains_of(data, settings.second), settings.seed, self.device)
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images the discriminators have seen, generator updates

    def step(self) -> dict[str, Tensor]:
        """One update of the generators after the discriminators' share; their last losses, on the device."""
        return adversarial_step(self, self.average)

    def train(self, steps: int) -> dict[str, float]:
        """So many of these steps -> the last losses; FloatingPointError where training has diverged."""
        return train_steps(self, steps)

    def real_batch(self) -> tuple[Tensor, None]:
        """The next training images of each domain, unrelated ones side by side: [B / 2, C, H, 2 W] in -1..1."""
        return torch.cat(self.real.next(self.settings.training.batch_size // 2), 3), None

    def fake_batch(self, amount: int, label: Tensor | None) -> Tensor:
        """New pairs [amount, C, H, 2 W]; classes are not known."""
        pairs: Tensor = self.generator(self.latents(amount))
        return pairs

    def latents(self, amount: int) -> Tensor:
        """Standard normal [amount, Z]; drawn on the CPU, so that a seed means the same on every device."""
        return moved(torch.randn(amount, self.settings.network.latent, generator=self.rng), self.device)

    def logits(self, images: Tensor, label: Tensor | None) -> Tensor:
        """The discriminators' word [B / 2, 2] on pairs, one for each image; the two games count alike (equation 3)."""
        logit: Tensor = self.discriminator(images)
        return logit

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to go on bit for bit, as nested plain values and arrays."""
        return training_state(self, orders=self.real)

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state of a trainer with the same networks and data; ValueError where they are others."""
        load_training_state(self, state, orders=self.real)
