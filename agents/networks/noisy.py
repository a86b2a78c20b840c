"""Noisy networks (Fortunato et al. 2018, "Noisy Networks for Exploration"): Gaussian noise of learned scale on weights.

Legend: B batch, F input features, G output features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agents.networks.layers import Dense, compute_dtype

SIGMA = 0.5  # sigma_0 of section 3.2: the initial sigma of a layer times sqrt(F)


class NoisyDense(Dense):
    """A dense layer with factorised Gaussian noise (section 3): one sample per input and one per output.

    A batch shares one sample, as in the paper (section 3.1). `weight` and `bias` are the means, initialised as in the
    paper; without noise this is a dense layer with the means.
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__(features, outputs)
        first = SIGMA / features**0.5
        self.weight_sigma = nn.Parameter(torch.full((outputs, features), first))
        self.bias_sigma = nn.Parameter(torch.full((outputs,), first))

    def forward(self, x: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Map [B, F] -> [B, G]; `noise` is a generator on the device of x, None for the means."""
        if noise is None:
            return super().forward(x)
        into, out = (
            signed_root(torch.randn(size, device=x.device, generator=noise)) for size in self.weight.shape[::-1]
        )
        weight = torch.addcmul(self.weight, self.weight_sigma, out[:, None] * into)
        bias = torch.addcmul(self.bias, self.bias_sigma, out)
        return F.linear(x, weight.to(compute_dtype(x)), bias)


def signed_root(x: Tensor) -> Tensor:
    """Return sign(x) * sqrt(|x|), which the paper applies to each of the two noise factors."""
    return x.sign() * x.abs().sqrt()
