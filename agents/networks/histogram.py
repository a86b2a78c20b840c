"""HL-Gauss (Farebrother et al. 2024, "Stop Regressing", section 3.1): values by classification.

Legend: B batch, A actions, Z bins.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from agents.networks.categorical import CategoricalHead

SMOOTHING = 0.75  # standard deviation of a target in bins, as in the paper


class HistogramHead(CategoricalHead):
    """Logits of Z equal bins from `low` to `high`; a value is the expectation of their centres.

    Unlike C51 it does not learn the distribution of returns: the target is a single value, smoothed over near bins.
    """

    def support(self, like: Tensor) -> Tensor:
        """Return the centres of the bins [Z]."""
        half = (self.high - self.low) / self.outputs / 2
        return torch.linspace(self.low + half, self.high - half, self.outputs, device=like.device)

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Tensor, policy_next: Tensor) -> Tensor:
        """Return R + discount * Q(s', a') as a normal distribution over the bins: [B, Z]."""
        value = return_t + discount_t * (policy_next * self.q(out_next)).sum(1)
        return self.gaussian_target(value).detach()

    def gaussian_target(self, value: Tensor) -> Tensor:
        """Return the normalised probabilities [B, Z] of the bins under N(value, sigma), for values [B]."""
        width = (self.high - self.low) / self.outputs
        edges = torch.linspace(self.low, self.high, self.outputs + 1, dtype=value.dtype, device=value.device)
        distance = edges - value.clamp(self.low, self.high)[:, None]
        below = torch.erf(distance / (SMOOTHING * width * math.sqrt(2)))
        share = below.diff(dim=1)
        return share / share.sum(1, keepdim=True)
