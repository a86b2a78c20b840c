"""The adversarial update (Goodfellow et al. 2014, algorithm 1): `critic_steps` times the discriminator, then the
generator. Families that draw new images take the whole of it (`adversarial_step`), those that are given some its parts.

Legend: B images a batch, B' logits of them: fewer where they are packed, more where the discriminator says several.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from gan.losses import between, discriminator_loss, generator_loss, one_centred, slope_penalty, squared_slope
from gan.updates import Players, descend, move_average, precision, set_rates
from training.device import moved

Discriminate = Callable[[Tensor], Tensor]  # images [B, ...] -> logits [B', ...]


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
    both, penalised = torch.cat([real, fake]), s.penalised(game.images // batch_size)
    terms = discriminator_terms(game, lambda images: logits_of_both(game, images, label), both, penalised)
    if penalised and s.penalty == "gradient":
        terms = terms._replace(penalty=gradient_penalty(game, both, label))
    losses = descend_discriminator(game, terms)
    game.images += batch_size
    return losses


def train_generator(game: Game) -> dict[str, Tensor]:
    """One update; the error comes back through the discriminator, which stays as it is."""
    game.discriminator.requires_grad_(False)
    real, label = game.real_batch()
    with precision(game):
        fake = game.fake_batch(len(real), label)
    loss = adversarial_loss(game, lambda images: game.logits(images, label), real, fake)
    descend(game.optimizers["generator"], loss)
    game.discriminator.requires_grad_(True)
    return {"generator_loss": loss.detach()}


class DiscriminatorTerms(NamedTuple):
    """What a discriminator goes down on one batch, and what is told of it; each []."""

    loss: Tensor
    margin: Tensor  # logits of real images over those of fakes, on average
    penalty: Tensor | None  # unweighted; None where this update has none


def discriminator_terms(
    players: Players, discriminate: Discriminate, both: Tensor, penalised: bool
) -> DiscriminatorTerms:
    """Of real images and as many fakes behind them, `both` [2B, ...], by which the logits can then be differentiated.

    The penalty is r1 or r1r2; `gradient_penalty` has the one in between.
    """
    s = players.settings.loss
    penalised = penalised and s.penalty != "gradient"
    both.requires_grad_(penalised)
    with precision(players):
        logit = discriminate(both)
    real_logit, fake_logit = logit.chunk(2)
    loss = discriminator_loss(s.kind, real_logit, fake_logit)
    margin = (real_logit - fake_logit).detach().mean()
    return DiscriminatorTerms(loss, margin, slope_penalty(s.penalty, logit, both) if penalised else None)


def descend_discriminator(players: Players, terms: DiscriminatorTerms) -> dict[str, Tensor]:
    """One step of the discriminator -> its losses, unweighted."""
    s, loss = players.settings.loss, terms.loss
    losses = {"discriminator_loss": loss.detach(), "margin": terms.margin}
    if terms.penalty is not None:
        loss = loss + s.every * s.weight * terms.penalty
        losses["penalty"] = terms.penalty.detach()
    descend(players.optimizers["discriminator"], loss)
    return losses


def adversarial_loss(players: Players, discriminate: Discriminate, real: Tensor, fake: Tensor) -> Tensor:
    """What the generator minimises so that fakes [B, ...] look real to the discriminator, beside these images -> []."""
    kind = players.settings.loss.kind
    with precision(players):
        fake_logit = discriminate(fake)
        with torch.no_grad():  # only the relativistic loss compares with real images here
            real_logit = discriminate(real) if kind == "relativistic" else fake_logit
    return generator_loss(kind, real_logit, fake_logit)


def logits_of_both(game: Game, both: Tensor, label: Tensor | None) -> Tensor:
    """The discriminator's word on real images and fakes [2B, ...]; under batch norm neither half sees the other."""
    if game.discriminator.batch_norm:
        return torch.cat([game.logits(half, label) for half in both.chunk(2)])
    return game.logits(both, None if label is None else label.repeat(2))


def gradient_penalty(game: Game, both: Tensor, label: Tensor | None) -> Tensor:
    """The discriminator's slope between real images and fakes, which are `both` [2B, ...], unweighted -> []."""
    real, fake = both.chunk(2)
    share = moved(torch.rand(len(real), generator=game.rng), game.device)
    middle = between(real, fake, share).requires_grad_()
    with precision(game):
        logit = game.logits(middle, label)
        slope = squared_slope(logit, middle)
    return one_centred(slope, pack=len(middle) // len(logit))
