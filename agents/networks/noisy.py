"""Noisy networks (Fortunato et al. 2018, "Noisy Networks for Exploration"): chance moves weights by learned amounts.

Legend: B batch, F features in, G features out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agents.networks.layers import Dense, computed_in

SIGMA = 0.5  # sigma_0 of section 3.2: a layer's first sigma, times sqrt(F)


class NoisyDense(Dense):
    """A dense layer with factorised Gaussian noise (section 3): one number a feature, one an output.

    One draw serves a whole batch, as in the paper (section 3.1). Weights and biases are the means, whose first values
    torch draws as the paper does; without noise the layer is a dense layer of these.
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__(features, outputs)
        first = SIGMA / features**0.5
        self.weight_sigma = nn.Parameter(torch.full((outputs, features), first))
        self.bias_sigma = nn.Parameter(torch.full((outputs,), first))

    def forward(self, x: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """[B, F] -> [B, G]; `noise` lies on the device of x, None for the means."""
        if noise is None:
            return super().forward(x)
        into, out = (
            signed_root(torch.randn(size, device=x.device, generator=noise)) for size in self.weight.shape[::-1]
        )
        weight = torch.addcmul(self.weight, self.weight_sigma, out[:, None] * into)
        bias = torch.addcmul(self.bias, self.bias_sigma, out)
        return F.linear(x, weight.to(computed_in(x)), bias)


def signed_root(x: Tensor) -> Tensor:
    """sign(x) * sqrt(|x|), which the paper makes of every normal number before it multiplies two."""
    return x.sign() * x.abs().sqrt()
