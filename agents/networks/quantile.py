"""Quantiles of the return of every action: QR-DQN (Dabney et al. 2018, "Distributional RL with Quantile Regression").

Legend: B batch, A actions, N quantiles.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.networks.heads import HeadLoss, of_action
from agents.networks.losses import ErrorLoss, error_loss


class QuantileHead:
    """N numbers an action: returns at the midpoints of N equal shares of probability. Their mean is the value."""

    def __init__(self, quantiles: int) -> None:
        self.outputs = quantiles

    def q(self, out: Tensor) -> Tensor:
        """Values [B, A] of quantiles [B, A, N]."""
        return out.mean(2)

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Tensor, policy_next: Tensor) -> Tensor:
        """R + discount * Z(s', a'), quantile by quantile: [B, N]."""
        chosen = torch.einsum("ba,ban->bn", policy_next, out_next)
        return (return_t[:, None] + discount_t[:, None] * chosen).detach()

    def loss(self, out_t: Tensor, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """Quantile regression with Huber's loss of threshold 1, whatever `error` says (equation 10).

        The priority is the distance that probability would have to be moved, the 1-Wasserstein distance to the target.
        """
        quantile = of_action(out_t, action_t)
        loss = quantile_loss(quantile, midpoints(self.outputs, out_t.device)[None], target)
        seen = quantile.detach()
        moved = (target.sort(1).values - seen.sort(1).values).abs().mean(1)
        return HeadLoss(loss, moved, {"quantile_error": moved, "q_of_actions_taken": seen.mean(1)})


def midpoints(parts: int, device: torch.device) -> Tensor:
    """The middles [N] of N equal parts of 0..1."""
    return (torch.arange(parts, device=device) + 0.5) / parts


def quantile_loss(quantile: Tensor, tau: Tensor, target: Tensor) -> Tensor:
    """Quantile regression with Huber's loss of threshold 1, for quantiles [B, N] at shares tau [B, N] or [1, N] -> [B].

    The mean over targets [B, M], summed over quantiles (equation 10; equation 3 of Dabney et al. 2018, IQN).
    """
    found = target[:, None, :] - quantile[:, :, None]  # [B, N, M] of every target from every quantile
    weight = (tau[:, :, None] - (found.detach() < 0).float()).abs()
    return (weight * error_loss(found, "huber")).mean(2).sum(1)
