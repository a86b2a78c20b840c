"""The training loop of a coupled GAN. Legend: B images a batch, half of each domain; pairs lie side by side."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gan.coupled.domains import domains_of
from gan.coupled.networks import CoupledDiscriminator, CoupledGenerator
from gan.coupled.settings import CoupledSettings
from gan.data.images import Images
from gan.data.order import Unpaired
from gan.standard.losses import discriminator_loss, generator_loss, slope_penalty
from gan.updates import descend, load_saved, move_average, optimizers_of, placed, saved, set_rates, trained
from training.device import autocast, moved, resolve_device


class CoupledTrainer:
    """Both pairs of networks, their optimisers, the generators' moving average and every source of chance."""

    def __init__(self, settings: CoupledSettings, data: Images) -> None:
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch.random.fork_rng(devices=[]):  # initial weights follow from the seed alone
            torch.manual_seed(settings.seed)
            self.generator = placed(CoupledGenerator(settings.network, data.shape), self.device)
            self.discriminator = placed(CoupledDiscriminator(settings.network, data.shape), self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.real = Unpaired(domains_of(data, settings.second), settings.seed, self.device)
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images the discriminators have seen, generator updates

    def step(self) -> dict[str, Tensor]:
        """One update of the generators after the discriminators' share; their last losses, on the device."""
        set_rates(self.optimizers, self.settings.training, self.images)
        for _ in range(self.settings.training.critic_steps):
            losses = self.train_discriminator()
        losses |= self.train_generator()
        self.steps += 1
        move_average(self.average, self.generator, self.settings.training, self.images)
        return losses

    def train_discriminator(self) -> dict[str, Tensor]:
        """One update on real images and fakes of both domains; the two games' losses count alike (equation 3)."""
        s = self.settings.loss
        real = self.real_batch()
        with torch.no_grad(), self.precision():
            fake = self.generator(self.latents(len(real)))
        updates = self.images // self.settings.training.batch_size
        penalised = s.penalised(updates)
        both = torch.cat([real, fake]).requires_grad_(penalised)
        with self.precision():
            logit = self.discriminator(both)
        real_logit, fake_logit = logit.chunk(2)
        loss = discriminator_loss(s.kind, real_logit, fake_logit)
        found = {"discriminator_loss": loss.detach(), "margin": (real_logit - fake_logit).detach().mean()}
        if penalised:
            penalty = slope_penalty(s.penalty, logit, both, real_logit.numel())
            loss = loss + s.every * s.weight * penalty
            found["penalty"] = penalty.detach()
        descend(self.optimizers["discriminator"], loss)
        self.images += self.settings.training.batch_size
        return found

    def train_generator(self) -> dict[str, Tensor]:
        """One update; the error comes back through the discriminators, which stay as they are."""
        self.discriminator.requires_grad_(False)
        kind, real = self.settings.loss.kind, self.real_batch()
        with self.precision():
            fake_logit = self.discriminator(self.generator(self.latents(len(real))))
            with torch.no_grad():  # only the relativistic loss compares with real images here
                real_logit = self.discriminator(real) if kind == "relativistic" else fake_logit
        loss = generator_loss(kind, real_logit, fake_logit)
        descend(self.optimizers["generator"], loss)
        self.discriminator.requires_grad_(True)
        return {"generator_loss": loss.detach()}

    def real_batch(self) -> Tensor:
        """The next training images of each domain, unrelated ones side by side: [B / 2, C, H, 2 W] in -1..1."""
        return torch.cat(self.real.next(self.settings.training.batch_size // 2), 3)

    def latents(self, amount: int) -> Tensor:
        """Standard normal [amount, Z]; drawn on the CPU, so that a seed means the same on every device."""
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
        return {**saved(self), "orders": self.real.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state of a trainer with the same networks and data; learning rates stay those of the settings.

        Raises:
            ValueError: the networks or the data are others.
        """
        self.real.load_state(state["orders"])
        load_saved(self, state)
