"""The adversarial update, of every family that draws new images against a discriminator (Goodfellow et al. 2014,
algorithm 1): `critic_steps` times the discriminator, then the generator.

Legend: B images a batch, B' logits of them: fewer where they are packed, more where the discriminator says several.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from gan.standard.losses import between, discriminator_loss, generator_loss, one_centred, slope_penalty, squared_slope
from gan.updates import Players, descend, move_average, precision, set_rates
from training.device import moved


class Game(Players, Protocol):
    """A trainer of such a family: its `settings` have `loss` and `training`.

    Its discriminator says in `batch_norm` whether its word on an image depends on the whole batch.
    """

    def real_batch(self) -> tuple[Tensor, Tensor | None]:
        """The next training images [B, C, H, W] in -1..1 and, where networks are told, their classes [B]."""

    def fake_batch(self, amount: int, label: Tensor | None) -> Tensor:
        """New images [amount, C, H, W] of these classes."""

    def logits(self, images: Tensor, label: Tensor | None) -> Tensor:
        """The discriminator's word [B', ...] on images of these classes."""


def adversarial_step(game: Game, average: nn.Module) -> dict[str, Tensor]:
    """One update of the generator, which `average` follows, after its share of discriminator updates.

    Returns:
        Their last losses, on the device.
    """
    training = game.settings.training
    set_rates(game.optimizers, training, game.images)
    for _ in range(training.critic_steps):
        losses = train_discriminator(game)
    losses |= train_generator(game)
    game.steps += 1
    move_average(average, game.generator, training, game.images)
    return losses


def train_discriminator(game: Game) -> dict[str, Tensor]:
    """One update on a batch of real images and one of fakes, which have their classes."""
    s, batch_size = game.settings.loss, game.settings.training.batch_size
    real, label = game.real_batch()
    with torch.no_grad(), precision(game):
        fake = game.fake_batch(len(real), label)
    penalised = s.penalised(game.images // batch_size)
    both = torch.cat([real, fake]).requires_grad_(penalised and s.penalty != "gradient")
    logit = logits_of_both(game, both, label)
    real_logit, fake_logit = logit.chunk(2)
    loss = discriminator_loss(s.kind, real_logit, fake_logit)
    found = {"discriminator_loss": loss.detach(), "margin": (real_logit - fake_logit).detach().mean()}
    if penalised:
        penalty = penalty_of(game, both, logit, label)
        loss = loss + s.every * s.weight * penalty
        found["penalty"] = penalty.detach()
    descend(game.optimizers["discriminator"], loss)
    game.images += batch_size
    return found


def train_generator(game: Game) -> dict[str, Tensor]:
    """One update; the error comes back through the discriminator, which stays as it is."""
    game.discriminator.requires_grad_(False)
    kind = game.settings.loss.kind
    real, label = game.real_batch()
    with precision(game):
        fake_logit = game.logits(game.fake_batch(len(real), label), label)
        with torch.no_grad():  # only the relativistic loss compares with real images here
            real_logit = game.logits(real, label) if kind == "relativistic" else fake_logit
    loss = generator_loss(kind, real_logit, fake_logit)
    descend(game.optimizers["generator"], loss)
    game.discriminator.requires_grad_(True)
    return {"generator_loss": loss.detach()}


def logits_of_both(game: Game, both: Tensor, label: Tensor | None) -> Tensor:
    """The discriminator's word on real images and fakes [2B, ...]; under batch norm neither half sees the other."""
    with precision(game):
        if game.discriminator.batch_norm:
            return torch.cat([game.logits(half, label) for half in both.chunk(2)])
        return game.logits(both, None if label is None else label.repeat(2))


def penalty_of(game: Game, both: Tensor, logit: Tensor, label: Tensor | None) -> Tensor:
    """The discriminator's slope at real images (r1), at fakes too (r1r2), or in between (gradient), unweighted."""
    kind = game.settings.loss.penalty
    if kind != "gradient":
        return slope_penalty(kind, logit, both)
    real, fake = both.chunk(2)
    share = moved(torch.rand(len(real), generator=game.rng), game.device)
    middle = between(real, fake, share).requires_grad_()
    with precision(game):
        said = game.logits(middle, label)
        slope = squared_slope(said, middle)
    return one_centred(slope, pack=len(middle) // len(said))
