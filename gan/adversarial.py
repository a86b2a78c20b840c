"""The adversarial update (Goodfellow et al. 2014, algorithm 1): `critic_steps` discriminator updates, then one of the
generator. Families that sample images use `adversarial_step`, those that translate images its parts.

Legend: B images a batch, B' logits of them: fewer if images are packed, more if there are several per image.
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

    The discriminator's attribute `batch_norm` is true if its logits depend on the whole batch.
    """

    def real_batch(self) -> tuple[Tensor, Tensor | None]:
        """Return the next training images [B, C, H, W] in -1..1, and their classes [B] for conditional networks."""

    def fake_batch(self, amount: int, label: Tensor | None) -> Tensor:
        """Return generated images [amount, C, H, W] of these classes."""

    def logits(self, images: Tensor, label: Tensor | None) -> Tensor:
        """Return the discriminator's logits [B', ...] of images of these classes."""


def adversarial_step(game: Game, average: nn.Module) -> dict[str, Tensor]:
    """Do `critic_steps` discriminator updates, one generator update, and move the average.

    Returns:
        The last losses, on the device.
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
    """Update the discriminator on a batch of real images and fakes of the same classes."""
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
    """Update the generator through the frozen discriminator."""
    game.discriminator.requires_grad_(False)
    real, label = game.real_batch()
    with precision(game):
        fake = game.fake_batch(len(real), label)
    loss = adversarial_loss(game, lambda images: game.logits(images, label), real, fake)
    descend(game.optimizers["generator"], loss)
    game.discriminator.requires_grad_(True)
    return {"generator_loss": loss.detach()}


class DiscriminatorTerms(NamedTuple):
    """Discriminator loss of a batch, with metrics; each []."""

    loss: Tensor
    margin: Tensor  # mean logit of real images minus that of fakes
    penalty: Tensor | None  # unweighted; None if this update has none


def discriminator_terms(
    players: Players, discriminate: Discriminate, both: Tensor, penalised: bool
) -> DiscriminatorTerms:
    """Return the loss terms of real images followed by as many fakes, `both` [2B, ...].

    The penalty is r1 or r1r2; `gradient_penalty` computes the other.
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
    """Step the discriminator; return its unweighted losses."""
    s, loss = players.settings.loss, terms.loss
    losses = {"discriminator_loss": loss.detach(), "margin": terms.margin}
    if terms.penalty is not None:
        loss = loss + s.every * s.weight * terms.penalty
        losses["penalty"] = terms.penalty.detach()
    descend(players.optimizers["discriminator"], loss)
    return losses


def adversarial_loss(players: Players, discriminate: Discriminate, real: Tensor, fake: Tensor) -> Tensor:
    """Return the generator loss [] of fakes [B, ...]; `real` is for the relativistic loss."""
    kind = players.settings.loss.kind
    with precision(players):
        fake_logit = discriminate(fake)
        with torch.no_grad():  # used by the relativistic loss only
            real_logit = discriminate(real) if kind == "relativistic" else fake_logit
    return generator_loss(kind, real_logit, fake_logit)


def logits_of_both(game: Game, both: Tensor, label: Tensor | None) -> Tensor:
    """Return the logits of real images and fakes [2B, ...]; with batch norm in separate passes."""
    if game.discriminator.batch_norm:
        return torch.cat([game.logits(half, label) for half in both.chunk(2)])
    return game.logits(both, None if label is None else label.repeat(2))


def gradient_penalty(game: Game, both: Tensor, label: Tensor | None) -> Tensor:
    """Return the unweighted gradient penalty [] between real images and fakes, `both` [2B, ...]."""
    real, fake = both.chunk(2)
    share = moved(torch.rand(len(real), generator=game.rng), game.device)
    middle = between(real, fake, share).requires_grad_()
    with precision(game):
        logit = game.logits(middle, label)
        slope = squared_slope(logit, middle)
    return one_centred(slope, pack=len(middle) // len(logit))
