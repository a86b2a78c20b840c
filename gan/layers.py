"""Layers of our own: attention, memory order, scaled weights, and convolutions that are cheap to differentiate twice.

Legend: B batch, F features, H and W pixels. Convolutions keep their memory channels-last, [B, H, W, F].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

L = TypeVar("L", nn.Linear, nn.ConvTranspose2d, nn.Conv2d)
Bound = Callable[[nn.Module], nn.Module]  # what a layer is held by: itself, or with its spectral norm


def unbounded(layer: nn.Module) -> nn.Module:
    """The layer as it is."""
    return layer


class SelfAttention(nn.Module):
    """Every place looks at all others, weighted by a learned share that starts at 0 (Zhang et al. 2019, equations 1-3).

    Differentiable twice, which fused attention kernels are not.
    """

    def __init__(self, channels: int, bound: Bound = unbounded) -> None:
        super().__init__()
        self.query, self.key = (bound(nn.Conv2d(channels, channels // 8, 1)) for _ in range(2))
        self.value = bound(nn.Conv2d(channels, channels // 2, 1))
        self.out = bound(nn.Conv2d(channels // 2, channels, 1))
        self.share = nn.Parameter(torch.zeros(()))

    def weights(self, x: Tensor) -> Tensor:
        """How much each place looks at each: [B, F, H, W] -> [B, places, places seen], rows sum to 1."""
        query, key = self.query(x).flatten(2), self.key(x).flatten(2)
        found: Tensor = (query.transpose(1, 2) @ key).softmax(-1)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, H, W] -> the same shape."""
        seen = (self.value(x).flatten(2) @ self.weights(x).transpose(1, 2)).unflatten(2, x.shape[2:])
        mixed: Tensor = x + self.share * self.out(seen)
        return mixed


class ResidualBlock(nn.Module):
    """The control of attention: as many weights (within 5 %) in its place; no place sees further than its neighbours.

    Zhang et al. (2019), table 2; the share starts at 0 here, too.
    """

    def __init__(self, channels: int, bound: Bound = unbounded) -> None:
        super().__init__()
        self.near = bound(nn.Conv2d(channels, channels // 8, 3, 1, 1))
        self.out = bound(nn.Conv2d(channels // 8, channels, 1))
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, H, W] -> the same shape."""
        mixed: Tensor = x + self.share * self.out(F.relu(self.near(x)))
        return mixed


class FlattenNHWC(nn.Module):
    """[B, F, H, W] -> [B, H * W * F]: the order in which channels-last memory already lies."""

    def forward(self, x: Tensor) -> Tensor:
        """A view; the gradient comes back channels-last too."""
        return x.permute(0, 2, 3, 1).flatten(1)


class UnflattenNHWC(nn.Module):
    """[B, H * W * F] -> [B, F, H, W], channels-last."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = (shape[1], shape[2], shape[0])

    def forward(self, x: Tensor) -> Tensor:
        """A view."""
        return x.view(-1, *self.shape).permute(0, 3, 1, 2)


class PixelNorm(nn.Module):
    """Features of each place scaled to a mean square of 1 (Karras et al. 2018, section 4.2)."""

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
    """The layer with weights drawn from N(0, 1) that are scaled as they are used, by sqrt(gain / inputs).

    Adam's steps are of one size for all weights; so scaled, all layers learn at the same speed (Karras et al. 2018,
    section 4.1). `inputs` are the numbers that one output is made of: a transposed convolution's taps are shared among
    stride^2 places.
    """
    inputs = layer.weight[0].numel()
    if isinstance(layer, nn.ConvTranspose2d):
        inputs = layer.weight[:, 0].numel() // (layer.stride[0] * layer.stride[1])
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    parametrize.register_parametrization(layer, "weight", _Scaled((gain / inputs) ** 0.5))
    return layer


class SmoothConv2d(nn.Conv2d):
    """A convolution of kernel 4, stride 2, padding 1 over even sides, for gradient penalties.

    Its slope is written as a transposed convolution, whose own gradients are the usual fast kernels. The general rule
    for differentiating a convolution twice convolves with kernels as large as the image: several times slower.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, H, W] -> [B, F', H / 2, W / 2]."""
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        found: Tensor = _Convolution.apply(x, self.weight.to(x.dtype))  # type: ignore[no-untyped-call]
        assert self.bias is not None
        return found + self.bias.to(x.dtype).view(-1, 1, 1)


_images_only = False


@contextmanager
def slope_at_images() -> Iterator[None]:
    """Inside, backward passes skip the slopes by convolutions' weights, which nobody has asked for."""
    global _images_only
    _images_only = True
    try:
        yield
    finally:
        _images_only = False


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, None, 2, 1)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        by_x = by_weight = None
        if ctx.needs_input_grad[0]:
            by_x = F.conv_transpose2d(slope, weight, None, 2, 1)
        if ctx.needs_input_grad[1] and not _images_only:
            by_weight = torch.ops.aten.convolution_backward(
                slope, x, weight, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1, [False, True, False]
            )[1]
        return by_x, by_weight
