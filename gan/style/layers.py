"""Layers of a style-based generator. Legend: B batch, F features, H and W pixels, S size of a style."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Place = Literal["same", "double"]  # kernel 3; or kernel 4, transposed, which doubles the side


class Dense(nn.Module):
    """A linear layer whose weights are initialised from N(0, 1 / rate^2) and scaled at run time.

    Its learning rate with Adam is in effect multiplied by `rate` (Karras et al. 2018, section 4.1; 2019, appendix C,
    uses 0.01 for the mapping network).
    """

    def __init__(self, inputs: int, outputs: int, gain: float = 2.0, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate * (gain / inputs) ** 0.5, rate

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs] -> [B, outputs]."""
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class ModulatedConv2d(nn.Module):
    """A convolution with input features modulated by a style and outputs demodulated to a standard deviation of 1.

    Karras et al. (2020), equations 1 to 3, scale the weights of each sample. Scaling the features before and after a
    shared convolution is equivalent, and needs no grouped convolution. With stride 2 an output uses a quarter of the
    taps of a kernel of 4.
    """

    def __init__(self, inner: int, outer: int, style: int, place: Place) -> None:
        super().__init__()
        kernel, self.doubles = (4, True) if place == "double" else (3, False)
        self.style = Dense(style, inner, gain=1.0, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outer, inner, kernel, kernel))
        self.share = 0.25 if self.doubles else 1.0
        self.scale = (self.share * inner * kernel**2) ** -0.5

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map features [B, inner, H, W] and styles [B, S] -> [B, outer, H, W], or twice the side."""
        scales, weight = self.style(style), self.weight * self.scale
        x = x * scales.to(x.dtype)[:, :, None, None]
        if self.doubles:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2, padding=1)
        else:
            x = F.conv2d(x, weight, padding=1)
        squares = self.share * weight.square().sum((2, 3))  # [outer, inner]
        deviation = (F.linear(scales.square(), squares) + 1e-8).rsqrt()
        return x * deviation.to(x.dtype)[:, :, None, None]


class StyledLayer(nn.Module):
    """A modulated convolution, per-pixel noise, a bias, and a leaky ReLU."""

    def __init__(self, inner: int, outer: int, style: int, place: Place) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(inner, outer, style, place)
        self.strength = nn.Parameter(torch.zeros(()))  # of the noise
        self.bias = nn.Parameter(torch.zeros(outer))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Map features, styles [B, S] and noise [B or 1, 1, H', W'] -> features [B, outer, H', W']."""
        x = self.convolution(x, style)
        x = x + (self.strength * noise + self.bias.view(-1, 1, 1)).to(x.dtype)
        return F.leaky_relu(x, 0.2) * 2**0.5
