"""QR-DQN (Dabney et al. 2018, "Distributional RL with Quantile Regression"): quantiles of the return.

Legend: B batch, A actions, N quantiles.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.networks.heads import TAKEN, HeadLoss, of_action
from agents.networks.losses import ErrorLoss, error_loss


class QuantileHead:
    """N quantiles per action, at the midpoints of N equal probability intervals; a value is their mean."""

    def __init__(self, quantiles: int) -> None:
        self.outputs = quantiles

    def q(self, out: Tensor) -> Tensor:
        """Return values [B, A] of quantiles [B, A, N]."""
        return out.mean(2)

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Tensor, policy_next: Tensor) -> Tensor:
        """Return the quantiles of R + discount * Z(s', a'), [B, N]."""
        chosen = torch.einsum("ba,ban->bn", policy_next, out_next)
        return (return_t[:, None] + discount_t[:, None] * chosen).detach()

    def loss(self, out_t: Tensor, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """Return the quantile Huber loss with threshold 1 (equation 10); `error` is ignored.

        The priority is the 1-Wasserstein distance to the target distribution.
        """
        quantile = of_action(out_t, action_t)
        loss = quantile_loss(quantile, midpoints(self.outputs, out_t.device)[None], target)
        seen = quantile.detach()
        moved = (target.sort(1).values - seen.sort(1).values).abs().mean(1)
        return HeadLoss(loss, moved, {"quantile_error": moved, TAKEN: seen.mean(1)})


def midpoints(parts: int, device: torch.device) -> Tensor:
    """Return the midpoints [N] of N equal intervals of 0..1."""
    return (torch.arange(parts, device=device) + 0.5) / parts


def quantile_loss(quantile: Tensor, tau: Tensor, target: Tensor) -> Tensor:
    """Return the quantile Huber loss with threshold 1 of quantiles [B, N] at tau [B, N] or [1, N] -> [B].

    Mean over targets [B, M], sum over quantiles (equation 10; equation 3 of Dabney et al. 2018, IQN).
    """
    found = target[:, None, :] - quantile[:, :, None]  # [B, N, M]
    weight = (tau[:, :, None] - (found.detach() < 0).float()).abs()
    return (weight * error_loss(found, "huber")).mean(2).sum(1)
