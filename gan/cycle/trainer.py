"""Trainer of the cycle-consistent family.

Legend: B images a batch, half of each domain; x and y are images of the first and of the second domain.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.adversarial import (
    DiscriminatorTerms,
    adversarial_loss,
    descend_discriminator,
    discriminator_terms,
)
from gan.cycle.domains import domains_of
from gan.cycle.networks import Discriminators, Pair, Shown
from gan.cycle.pool import Pool
from gan.cycle.semantic import SemanticLoss
from gan.cycle.settings import CycleSettings
from gan.data.images import Images
from gan.data.order import Unpaired
from gan.updates import (
    descend,
    load_training_state,
    move_average,
    optimizers_of,
    precision,
    set_rates,
    to_device,
    train_steps,
    training_state,
)
from training.device import moved, resolve_device
from training.seeding import torch_seed


class CycleTrainer:
    """Both pairs of networks, their optimisers, the translators' moving average and the random generators."""

    def __init__(self, settings: CycleSettings, data: Images) -> None:
        self.settings, self.data = settings, data
        self.device = resolve_device(settings.training.device, "training.device")
        domains = domains_of(data, settings.second)
        with torch_seed(settings.seed):  # initial weights depend on the seed only
            self.generator = to_device(Pair(settings.network, data.shape), self.device)
            self.discriminator = to_device(Discriminators(settings.network, data.shape), self.device)
        pair = copy.deepcopy(self.generator).requires_grad_(False)
        held_out = [domains.to_show(part, settings.scores.samples) for part in ("select", "report")]
        self.average = Shown(pair, torch.from_numpy(np.concatenate(held_out, 1)).to(self.device)).eval()
        self.optimizers = optimizers_of(self.generator, self.discriminator, settings.training)
        self.real = Unpaired(domains, settings.seed, self.device)
        self.semantic = SemanticLoss(domains, settings.seed + 1, self.device) if settings.held.meaning else None
        self.pools = [Pool(settings.held.pool) for _ in domains]
        self.rng = torch.Generator().manual_seed(settings.seed + 1)
        self.images = self.steps = 0  # real images seen, generator updates

    def step(self) -> dict[str, Tensor]:
        """Update both translators, then both discriminators on the same images (section 4); return the losses."""
        set_rates(self.optimizers, self.settings.training, self.images)
        rows = self.real.rows(self.settings.training.batch_size // 2)
        x, y = self.real.images(rows)
        losses, fake_x, fake_y = self.train_translators(x, y, rows)
        shown_x, shown_y = (p.exchange(fake, self.rng) for p, fake in zip(self.pools, (fake_x, fake_y), strict=True))
        losses |= self.train_discriminators(x, shown_x, y, shown_y)
        self.steps += 1
        move_average(self.average.pair, self.generator, self.settings.training, self.images)
        return losses

    def train(self, steps: int) -> dict[str, float]:
        """Do `steps` steps; return the last losses. FloatingPointError if training has diverged."""
        return train_steps(self, steps)

    def train_translators(self, x: Tensor, y: Tensor, rows: list[Tensor]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Update both (equation 3) on images [B / 2, C, H, W] of these rows; return losses and fakes of x and of y.

        The adversarial loss is backpropagated through the frozen discriminators.
        """
        held = self.settings.held
        forth, back = self.generator.forth, self.generator.back
        self.discriminator.requires_grad_(False)
        if self.semantic:
            self.semantic.prepare()
        with precision(self):
            fake_y, fake_x = forth(x), back(y)
            cycle = F.l1_loss(back(self.noisy(fake_y)), x) + F.l1_loss(forth(self.noisy(fake_x)), y)
            game = adversarial_loss(self, self.discriminator.first, x, fake_x)
            game = game + adversarial_loss(self, self.discriminator.second, y, fake_y)
            loss = game + held.cycle * cycle
            if held.identity:
                loss = loss + held.identity * (F.l1_loss(back(x), x) + F.l1_loss(forth(y), y))
            if self.semantic:
                loss = loss + held.meaning * self.semantic.lost(rows, fake_x, fake_y)
        descend(self.optimizers["generator"], loss)
        self.discriminator.requires_grad_(True)
        found = {"generator_loss": game.detach(), "cycle": cycle.detach() / 2}
        return found, fake_x.detach(), fake_y.detach()

    def noisy(self, fake: Tensor) -> Tensor:
        """Add the settings' noise to a translation, sampled on the CPU so that it does not depend on the device."""
        noise = self.settings.held.noise
        return fake + noise * moved(torch.randn(fake.shape, generator=self.rng), self.device) if noise else fake

    def train_discriminators(self, x: Tensor, fake_x: Tensor, y: Tensor, fake_y: Tensor) -> dict[str, Tensor]:
        """Update both discriminators; both domains have equal weight."""
        batch_size = self.settings.training.batch_size
        penalised = self.settings.loss.penalised(self.images // batch_size)
        terms = [
            discriminator_terms(self, self.discriminator.first, torch.cat([x, fake_x]), penalised),
            discriminator_terms(self, self.discriminator.second, torch.cat([y, fake_y]), penalised),
        ]
        penalties = [each.penalty for each in terms if each.penalty is not None]
        mean = DiscriminatorTerms(
            torch.stack([each.loss for each in terms]).mean(),
            torch.stack([each.margin for each in terms]).mean(),
            torch.stack(penalties).mean() if penalties else None,
        )
        losses = descend_discriminator(self, mean)
        self.images += batch_size
        return losses

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit, as nested values and arrays."""
        pools = {str(index): pool.state() for index, pool in enumerate(self.pools)}
        meaning = {"meaning": self.semantic.state()} if self.semantic else {}
        return {**training_state(self, orders=self.real), "pools": pools, **meaning}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state`; ValueError if networks or data differ."""
        load_training_state(self, state, orders=self.real)
        for index, pool in enumerate(self.pools):
            pool.load_state(state["pools"][str(index)], self.device)
        if self.semantic and "meaning" in state:  # absent if the run had started with held.meaning 0
            self.semantic.load_state(state["meaning"])
