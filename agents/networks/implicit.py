"""Quantiles of the return wherever they are asked for: IQN (Dabney et al. 2018, "Implicit Quantile Networks").

Legend: B batch, A actions, F features, C cosines, N shares of probability that are asked for, M of the target's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from agents.networks.heads import HeadLoss, of_action
from agents.networks.layers import Dense
from agents.networks.losses import ErrorLoss
from agents.networks.quantile import midpoints, quantile_loss

COSINES = 64  # n of equation 4, as in the paper


class Quantiles(NamedTuple):
    """What a network gives that is asked at shares of probability."""

    value: Tensor  # [B, A, N] return of every action below which a share tau of all returns lies
    tau: Tensor  # [B, N], or [1, N] where all are asked for the same, 0..1


class TauEmbedding(nn.Module):
    """Features times what a dense layer makes of cosines of tau (equation 4): the network is asked N times."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.dense = Dense(COSINES, features)

    def forward(self, x: Tensor, tau: Tensor) -> Tensor:
        """x [B, F] and tau [B, N] or [1, N] -> [B * N, F]."""
        steps = math.pi * torch.arange(COSINES, device=tau.device)
        embedded: Tensor = self.dense((steps * tau[:, :, None]).cos()).relu()
        return (x[:, None] * embedded).flatten(0, 1)


class ImplicitHead:
    """Quantiles at shares of probability that are drawn anew for every update; their mean is the value.

    Args:
        taught: shares that the network is taught at, for every transition (N of the paper).
        target: shares of the target network's (N' of the paper).
        acting: shares whose mean is a value where nothing is learned (K): the midpoints of so many equal parts, which
            the paper draws.
    """

    outputs = 1  # at each share

    def __init__(self, taught: int, target: int, acting: int) -> None:
        self.taught, self.others, self.acting = taught, target, acting

    def sample_taus(self, batch: int, chance: torch.Generator | None, device: torch.device) -> Tensor:
        """The shares tau that a network is asked at: drawn, [B, N]; without `chance` the midpoints, [1, K].

        A training pass takes the number of the network that is taught, any other that of the target network.
        """
        if chance is None:
            return midpoints(self.acting, device)[None]
        shares = self.taught if torch.is_grad_enabled() else self.others
        return torch.rand(batch, shares, device=device, generator=chance)

    def q(self, out: Quantiles) -> Tensor:
        """Values [B, A]."""
        return out.value.mean(2)

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Quantiles, policy_next: Tensor) -> Tensor:
        """R + discount * Z(s', a') at the shares that the target network was asked at: [B, M]."""
        chosen = torch.einsum("ba,ban->bn", policy_next, out_next.value)
        return (return_t[:, None] + discount_t[:, None] * chosen).detach()

    def loss(self, out_t: Quantiles, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """Quantile regression with Huber's loss of threshold 1, whatever `error` says (equation 3).

        The priority is the size of the value's error: two draws of shares differ also where nothing is left to learn.
        """
        quantile = of_action(out_t.value, action_t)
        mean = quantile.detach().mean(1)
        found = target.mean(1) - mean
        seen = {"td_error": found, "q_of_actions_taken": mean}
        return HeadLoss(quantile_loss(quantile, out_t.tau, target), found.abs(), seen)
