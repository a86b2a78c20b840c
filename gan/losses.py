"""Pure functions of the adversarial losses. Legend: B images a batch, and as many logits of the discriminator.

A discriminator that packs p images has one logit for p of them; then B is that smaller number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from gan.layers import slope_at_images
from training.settings import check_kinds

LossKind = Literal["minimax", "nonsaturating", "least_squares", "hinge", "wasserstein", "relativistic"]
PenaltyKind = Literal["none", "r1", "r1r2", "gradient"]


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """Adversarial loss and penalty."""

    kind: LossKind = "relativistic"
    penalty: PenaltyKind = "r1r2"  # gradient: that of Wasserstein GANs, one-centred
    weight: float = 1.0  # gamma of r1 and r2, lambda of the gradient penalty
    every: int = 1  # apply the penalty every so many discriminator updates, with `every` times the weight

    def __post_init__(self) -> None:
        check_kinds(self, "loss")
        if not 0 <= self.weight < float("inf") or self.every < 1:
            raise ValueError("loss.weight must be 0 or more, and loss.every 1 or more")

    def penalised(self, update: int) -> bool:
        """Return whether the discriminator update number `update`, from 0, has the penalty."""
        return self.penalty != "none" and self.weight > 0 and update % self.every == 0


def discriminator_loss(kind: LossKind, real: Tensor, fake: Tensor) -> Tensor:
    """Return the discriminator loss [] of logits real [B] and fake [B].

    minimax, nonsaturating: Goodfellow et al. 2014, equation 1, with D = sigmoid(logit).
    least_squares: Mao et al. 2017, equation 9 (targets 1 and 0).
    hinge: Miyato et al. 2018, equation 16.
    wasserstein: Arjovsky et al. 2017, equation 2; Gulrajani et al. 2017, equation 3 without the penalty.
    relativistic: paired, Jolicoeur-Martineau 2019, section 4; Huang et al. 2024, equation 2.
    """
    if kind in ("minimax", "nonsaturating"):
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "least_squares":
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    return F.softplus(fake - real).mean()


def generator_loss(kind: LossKind, real: Tensor, fake: Tensor) -> Tensor:
    """Return the generator loss [] of logits real [B] and fake [B].

    minimax is log(1 - D(G(z))); nonsaturating is -log D(G(z)), whose gradient does not vanish if the discriminator is
    confident (Goodfellow et al. 2014, section 3). The rest: equations as above
    (least squares with target 1; hinge: Miyato et al. 2018, equation 17).
    """
    if kind == "minimax":
        return -F.softplus(fake).mean()
    if kind == "nonsaturating":
        return F.softplus(-fake).mean()
    if kind == "least_squares":
        return 0.5 * (fake - 1).square().mean()
    if kind in ("hinge", "wasserstein"):
        return -fake.mean()
    return F.softplus(real - fake).mean()


def squared_slope(logit: Tensor, images: Tensor) -> Tensor:
    """Return ||d logit_b / d images||^2 for logits [B'] of images [B, ...] -> [B], differentiable.

    An image must not influence logits of others, except those packed with it.
    """
    with slope_at_images():
        (slope,) = torch.autograd.grad(logit.sum(), images, create_graph=True)
    return slope.float().flatten(1).square().sum(1)


def zero_centred(squared: Tensor, count: int) -> Tensor:
    """Return half the mean squared gradient: R1 on real images, R2 on fakes (Mescheder et al. 2018, equations 9, 10).

    `count` is the number of logits: with packing, a logit's slope has the pixels of several images in it.
    """
    return 0.5 * squared.sum() / count


def slope_penalty(penalty: PenaltyKind, logit: Tensor, both: Tensor) -> Tensor:
    """Return the unweighted r1 or r1r2 penalty [] of logits [2B', ...] of real images and fakes, `both` [2B, ...]."""
    squared = squared_slope(logit, both)
    return zero_centred(squared if penalty == "r1r2" else squared.chunk(2)[0], logit.numel() // 2)


def one_centred(squared: Tensor, pack: int = 1) -> Tensor:
    """Return the mean of (||gradient|| - 1)^2 (Gulrajani et al. 2017, equation 3); `pack` images share a logit."""
    norm = (squared.view(-1, pack).sum(1) + 1e-12).sqrt()  # sqrt has no derivative at 0
    return (norm - 1).square().mean()


def between(real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Interpolate from fake to real images [B, ...] at `share` [B] in 0..1 (ibid., algorithm 1)."""
    share = share.view(-1, *[1] * (real.dim() - 1))
    return share * real + (1 - share) * fake
