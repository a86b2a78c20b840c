"""A value as a class instead of a number: HL-Gauss (Farebrother et al. 2024, "Stop Regressing", section 3.1).

Legend: B batch, A actions, Z bins.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from agents.networks.categorical import CategoricalHead

SMOOTHING = 0.75  # standard deviation of a target in bins, as in the paper


class HistogramHead(CategoricalHead):
    """Logits of Z bins that share out `low` to `high`; the value is the mean of their middles.

    Unlike C51 it learns no distribution of returns: the target is one number, blurred over the bins around it.
    """

    def support(self, like: Tensor) -> Tensor:
        """The middles of the bins [Z]."""
        half = (self.high - self.low) / self.outputs / 2
        return torch.linspace(self.low + half, self.high - half, self.outputs, device=like.device)

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Tensor, policy_next: Tensor) -> Tensor:
        """R + discount * Q(s', a') as a normal distribution over the bins: [B, Z]."""
        value = return_t + discount_t * (policy_next * self.q(out_next)).sum(1)
        return self.gaussian_target(value).detach()

    def gaussian_target(self, value: Tensor) -> Tensor:
        """Values [B] as the shares of N(value, sigma) that fall into the bins, normalised: [B, Z]."""
        width = (self.high - self.low) / self.outputs
        edges = torch.linspace(self.low, self.high, self.outputs + 1, dtype=value.dtype, device=value.device)
        distance = edges - value.clamp(self.low, self.high)[:, None]
        below = torch.erf(distance / (SMOOTHING * width * math.sqrt(2)))
        share = below.diff(dim=1)
        return share / share.sum(1, keepdim=True)
