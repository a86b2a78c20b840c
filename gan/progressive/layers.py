"""Layers of progressive growing. Legend: B batch, F features, H and W pixels."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

L = TypeVar("L", nn.Linear, nn.ConvTranspose2d, nn.Conv2d)


class PixelNorm(nn.Module):
    """Features of each place scaled to a mean square of 1 (section 4.2)."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, ...] -> the same shape."""
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class Pointwise(nn.Linear):
    """A convolution of kernel 1 as a product of matrices, which is cheap to differentiate twice."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, H, W] -> [B, F', H, W]."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Scaled(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.scale


def equalised(layer: L, gain: float = 2.0) -> L:
    """The layer with weights drawn from N(0, 1) that are scaled as they are used, by sqrt(gain / inputs) (section 4.1).

    Adam's steps are of one size for all weights; so scaled, all layers learn at the same speed. `inputs` are the
    numbers that one output is made of: a transposed convolution's taps are shared among stride^2 places.
    """
    inputs = layer.weight[0].numel()
    if isinstance(layer, nn.ConvTranspose2d):
        inputs = layer.weight[:, 0].numel() // (layer.stride[0] * layer.stride[1])
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    parametrize.register_parametrization(layer, "weight", _Scaled((gain / inputs) ** 0.5))
    return layer


def doubled(images: Tensor, times: int = 1) -> Tensor:
    """Each pixel four times, or 4^times: [B, C, H, W] -> [B, C, H 2^times, W 2^times]."""
    return F.interpolate(images, scale_factor=2**times, mode="nearest") if times else images


def halved(images: Tensor, times: int = 1) -> Tensor:
    """Means of 2x2 pixels, `times` times over: [B, C, H, W] -> [B, C, H / 2^times, W / 2^times]."""
    return F.avg_pool2d(images, 2**times) if times else images


def mixed(old: Tensor, new: Tensor, share: float) -> Tensor:
    """`share` of the new beside the rest of the old: how layers are faded in (figure 2)."""
    return torch.lerp(old, new, share)
