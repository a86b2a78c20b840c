"""IQN (Dabney et al. 2018, "Implicit Quantile Networks"): quantiles of the return at any fraction tau.

Legend: B batch, A actions, F features, C cosines, N taus of the online network, M of the target network.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from agents.networks.heads import TAKEN, HeadLoss, of_action
from agents.networks.layers import Dense
from agents.networks.losses import ErrorLoss
from agents.networks.quantile import midpoints, quantile_loss

COSINES = 64  # n of equation 4, as in the paper


class Quantiles(NamedTuple):
    """Output of a network that is evaluated at several taus."""

    value: Tensor  # [B, A, N] tau-quantile of the return of every action
    tau: Tensor  # [B, N], or [1, N] if the batch shares them, in 0..1


class TauEmbedding(nn.Module):
    """Multiply features by an embedding of tau (equation 4); the batch grows N times."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.dense = Dense(COSINES, features)

    def forward(self, x: Tensor, tau: Tensor) -> Tensor:
        """Map x [B, F] and tau [B, N] or [1, N] -> [B * N, F]."""
        steps = math.pi * torch.arange(COSINES, device=tau.device)
        embedded: Tensor = self.dense((steps * tau[:, :, None]).cos()).relu()
        return (x[:, None] * embedded).flatten(0, 1)


class ImplicitHead:
    """Quantiles at random taus, sampled for every update; a value is their mean.

    Args:
        taught: taus of the online network per transition of an update (N of the paper).
        target: taus of the target network (N' of the paper).
        acting: taus averaged for acting and evaluation (K): midpoints of equal intervals, where the paper samples.
    """

    outputs = 1  # per tau

    def __init__(self, taught: int, target: int, acting: int) -> None:
        self.taught, self.others, self.acting = taught, target, acting

    def sample_taus(self, batch: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Sample taus: uniform [B, N] with `generator`, else the midpoints [1, K].

        The number is that of the online network if gradients are enabled, else that of the target network.
        """
        if generator is None:
            return midpoints(self.acting, device)[None]
        shares = self.taught if torch.is_grad_enabled() else self.others
        return torch.rand(batch, shares, device=device, generator=generator)

    def q(self, out: Quantiles) -> Tensor:
        """Return values [B, A]."""
        return out.value.mean(2)

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Quantiles, policy_next: Tensor) -> Tensor:
        """Return R + discount * Z(s', a') at the taus of the target network, [B, M]."""
        chosen = torch.einsum("ba,ban->bn", policy_next, out_next.value)
        return (return_t[:, None] + discount_t[:, None] * chosen).detach()

    def loss(self, out_t: Quantiles, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """Return the quantile Huber loss with threshold 1 (equation 3); `error` is ignored.

        The priority is the absolute error of the mean: quantile errors at random taus never vanish.
        """
        quantile = of_action(out_t.value, action_t)
        mean = quantile.detach().mean(1)
        found = target.mean(1) - mean
        seen = {"td_error": found, TAKEN: mean}
        return HeadLoss(quantile_loss(quantile, out_t.tau, target), found.abs(), seen)
