"""The one training loop: train the discriminator, train the generator. Legend: B images a batch."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gan.data.images import Images, to_float
from gan.data.order import EpochSampler, told_classes
from gan.standard.losses import between, discriminator_loss, generator_loss, one_centred, slope_penalty, squared_slope
from gan.standard.networks import Discriminator, Generator
from gan.standard.settings import GanSettings
from gan.updates import descend, load_saved, move_average, optimizers_of, placed, saved, set_rates, trained
from training.device import autocast, moved, resolve_device


class Trainer:
    """Both networks, their optimisers, the generator's moving average and every source of chance."""

    def __init__(self, settings: GanSettings, data: Images) -> None:
        if len(data.train) < settings.data.stack:
            raise ValueError(f"{data.name} has fewer training images than a stack")
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch.random.fork_rng(devices=[]):  # initial weights follow from the seed alone
            torch.manual_seed(settings.seed)
            self.generator = Generator(settings.network, data.shape, data.classes)
            self.discriminator = Discriminator(settings.network, data.shape, data.classes)
        for network in (self.generator, self.discriminator):
            placed(network, self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.pixels = torch.from_numpy(data.train.images).to(self.device)
        self.labels = told_classes(data, settings.network.conditional, self.device)
        self.order = EpochSampler(len(data.train), settings.seed)
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images the discriminator has seen, generator updates

    def step(self) -> dict[str, Tensor]:
        """One update of the generator after its share of discriminator updates; their last losses, on the device."""
        set_rates(self.optimizers, self.settings.training, self.images)
        for _ in range(self.settings.training.critic_steps):
            losses = self.train_discriminator()
        losses |= self.train_generator()
        self.steps += 1
        move_average(self.average, self.generator, self.settings.training, self.images)
        return losses

    def train_discriminator(self) -> dict[str, Tensor]:
        """One update on a batch of real images and one of fakes."""
        s = self.settings.loss
        real, label = self.real_batch()
        with torch.no_grad(), self.precision():
            fake = self.generator(self.latents(len(real)), label)
        penalised = s.penalised(self.images // len(real))
        both = torch.cat([real, fake]).requires_grad_(penalised and s.penalty != "gradient")
        logit = self.logits(both, label)
        real_logit, fake_logit = logit.chunk(2)
        loss = discriminator_loss(s.kind, real_logit, fake_logit)
        found = {"discriminator_loss": loss.detach(), "margin": (real_logit - fake_logit).detach().mean()}
        if penalised:
            penalty = self.penalty(both, logit, label)
            loss = loss + s.every * s.weight * penalty
            found["penalty"] = penalty.detach()
        descend(self.optimizers["discriminator"], loss)
        self.images += len(real)
        return found

    def penalty(self, both: Tensor, logit: Tensor, label: Tensor | None) -> Tensor:
        """The discriminator's slope at real images (r1), at fakes too (r1r2), or in between (gradient), unweighted."""
        if self.settings.loss.penalty == "gradient":
            real, fake = both.chunk(2)
            middle = between(real, fake, moved(torch.rand(len(real), generator=self.rng), self.device)).requires_grad_()
            with self.precision():
                slope = squared_slope(self.discriminator(middle, label), middle)
            return one_centred(slope, self.settings.network.pack)
        return slope_penalty(self.settings.loss.penalty, logit, both, len(logit) // 2)

    def train_generator(self) -> dict[str, Tensor]:
        """One update; the error comes back through the discriminator, which stays as it is."""
        self.discriminator.requires_grad_(False)
        kind = self.settings.loss.kind
        real, label = self.real_batch()
        with self.precision():
            fake_logit = self.discriminator(self.generator(self.latents(len(real)), label), label)
            with torch.no_grad():  # only the relativistic loss compares with real images here
                real_logit = self.discriminator(real, label) if kind == "relativistic" else fake_logit
        loss = generator_loss(kind, real_logit, fake_logit)
        descend(self.optimizers["generator"], loss)
        self.discriminator.requires_grad_(True)
        return {"generator_loss": loss.detach()}

    def logits(self, both: Tensor, label: Tensor | None) -> Tensor:
        """The discriminator's word on real images and fakes [2B, ...]; under batch norm neither half sees the other."""
        with self.precision():
            if self.settings.network.discriminator_norm == "batch":
                return torch.cat([self.discriminator(half, label) for half in both.chunk(2)])
            logit: Tensor = self.discriminator(both, None if label is None else label.repeat(2))
            return logit

    def real_batch(self) -> tuple[Tensor, Tensor | None]:
        """The next training images [B, C, H, W] in -1..1 and, for conditional networks, their classes [B]."""
        amount, stack = self.settings.training.batch_size, self.data.stack
        index = moved(torch.from_numpy(self.order.next(amount * stack)), self.device)
        label = None if self.labels is None else self.labels[index]
        return to_float(self.pixels[index.view(amount, stack)].flatten(1, 2)), label

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

    def reconfigure(self, settings: GanSettings) -> None:
        """Go on with other rates, betas, loss or penalty; takes hold at the next step.

        Raises:
            ValueError: the networks would be others.
        """
        if settings.network != self.settings.network or settings.data != self.settings.data:
            raise ValueError("network and data stay as they are while training goes on: start a new one for others")
        self.settings = settings

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to go on bit for bit, as nested plain values and arrays."""
        return {**saved(self), "order": self.order.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state of a trainer with the same networks and data; learning rates stay those of the settings.

        Raises:
            ValueError: the networks or the data are others.
        """
        self.order.load_state(state["order"])
        load_saved(self, state)
