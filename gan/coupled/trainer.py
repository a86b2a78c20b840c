"""Trainer of the coupled family. Legend: B images a batch, half of each domain; pairs lie side by side."""

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
    """Both pairs of networks, their optimisers, the generators' moving average and the random generators."""

    def __init__(self, settings: CoupledSettings, data: Images) -> None:
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch_seed(settings.seed):  # initial weights depend on the seed only
            self.generator = to_device(CoupledGenerator(settings.network, data.shape), self.device)
            self.discriminator = to_device(CoupledDiscriminator(settings.network, data.shape), self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.real = Unpaired(domains_of(data, settings.second), settings.seed, self.device)
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images seen, generator updates

    def step(self) -> dict[str, Tensor]:
        """Do the discriminator updates and the generator update of a step; return the last losses, on the device."""
        return adversarial_step(self, self.average)

    def train(self, steps: int) -> dict[str, float]:
        """Do `steps` steps; return the last losses. FloatingPointError if training has diverged."""
        return train_steps(self, steps)

    def real_batch(self) -> tuple[Tensor, None]:
        """Return the next training images of each domain, unpaired, side by side: [B / 2, C, H, 2 W] in -1..1."""
        return torch.cat(self.real.next(self.settings.training.batch_size // 2), 3), None

    def fake_batch(self, amount: int, label: Tensor | None) -> Tensor:
        """Return generated pairs [amount, C, H, 2 W]; `label` is ignored."""
        pairs: Tensor = self.generator(self.latents(amount))
        return pairs

    def latents(self, amount: int) -> Tensor:
        """Sample standard normal latents [amount, Z], on the CPU so that they do not depend on the device."""
        return moved(torch.randn(amount, self.settings.network.latent, generator=self.rng), self.device)

    def logits(self, images: Tensor, label: Tensor | None) -> Tensor:
        """Return logits [B / 2, 2] of pairs, one per image; both domains have equal weight (equation 3)."""
        logit: Tensor = self.discriminator(images)
        return logit

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit, as nested values and arrays."""
        return training_state(self, orders=self.real)

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state`; ValueError if networks or data differ."""
        load_training_state(self, state, orders=self.real)
