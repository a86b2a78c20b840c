"""The training loop of a style-based generator. Legend: B images a batch, L layers, S numbers of a style."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gan.data.images import Images, to_float
from gan.data.order import EpochSampler, told_classes
from gan.standard.losses import discriminator_loss, generator_loss, slope_penalty
from gan.standard.networks import Discriminator
from gan.style.networks import StyleGenerator, crossed
from gan.style.settings import StyleSettings
from gan.updates import descend, load_saved, move_average, optimizers_of, placed, saved, set_rates, trained
from training.device import autocast, moved, resolve_device


class StyleTrainer:
    """Both networks, their optimisers, the generator's moving average and every source of chance."""

    def __init__(self, settings: StyleSettings, data: Images) -> None:
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        with torch.random.fork_rng(devices=[]):  # initial weights follow from the seed alone
            torch.manual_seed(settings.seed)
            self.generator = placed(StyleGenerator(settings.network, data.shape, data.classes), self.device)
            opponent = Discriminator(settings.network.opponent(), data.shape, data.classes)
            self.discriminator = placed(opponent, self.device)
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
            fake = self.fake_batch(len(real), label)
        penalised = s.penalised(self.images // len(real))
        both = torch.cat([real, fake]).requires_grad_(penalised)
        with self.precision():
            logit = self.discriminator(both, None if label is None else label.repeat(2))
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
        kind = self.settings.loss.kind
        real, label = self.real_batch()
        with self.precision():
            fake_logit = self.discriminator(self.fake_batch(len(real), label), label)
            with torch.no_grad():  # only the relativistic loss compares with real images here
                real_logit = self.discriminator(real, label) if kind == "relativistic" else fake_logit
        loss = generator_loss(kind, real_logit, fake_logit)
        descend(self.optimizers["generator"], loss)
        self.discriminator.requires_grad_(True)
        return {"generator_loss": loss.detach()}

    def real_batch(self) -> tuple[Tensor, Tensor | None]:
        """The next training images [B, C, H, W] in -1..1 and, for conditional networks, their classes [B]."""
        index = moved(torch.from_numpy(self.order.next(self.settings.training.batch_size)), self.device)
        return to_float(self.pixels[index]), None if self.labels is None else self.labels[index]

    def fake_batch(self, amount: int, label: Tensor | None = None) -> Tensor:
        """Images of new styles and new noise."""
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
        return {**saved(self), "order": self.order.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state of a trainer with the same networks and data; learning rates stay those of the settings.

        Raises:
            ValueError: the networks or the data are others.
        """
        self.order.load_state(state["order"])
        load_saved(self, state)
