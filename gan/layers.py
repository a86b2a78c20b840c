"""Layers: attention, channels-last views, scaled weights, and convolutions that are cheap to differentiate twice.

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
Bound = Callable[[nn.Module], nn.Module]  # wraps a layer, with spectral norm or not


def unbounded(layer: nn.Module) -> nn.Module:
    """Return the layer unchanged."""
    return layer


class SelfAttention(nn.Module):
    """Self-attention over all places, with a learned weight that starts at 0 (Zhang et al. 2019, equations 1-3).

    Twice differentiable, unlike fused attention kernels.
    """

    def __init__(self, channels: int, bound: Bound = unbounded) -> None:
        super().__init__()
        self.query, self.key = (bound(nn.Conv2d(channels, channels // 8, 1)) for _ in range(2))
        self.value = bound(nn.Conv2d(channels, channels // 2, 1))
        self.out = bound(nn.Conv2d(channels // 2, channels, 1))
        self.share = nn.Parameter(torch.zeros(()))

    def weights(self, x: Tensor) -> Tensor:
        """Return the attention weights of [B, F, H, W]: [B, queries, keys], rows sum to 1."""
        query, key = self.query(x).flatten(2), self.key(x).flatten(2)
        found: Tensor = (query.transpose(1, 2) @ key).softmax(-1)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, F, H, W] -> the same shape."""
        seen = (self.value(x).flatten(2) @ self.weights(x).transpose(1, 2)).unflatten(2, x.shape[2:])
        mixed: Tensor = x + self.share * self.out(seen)
        return mixed


class ResidualBlock(nn.Module):
    """The control of attention: a residual block with as many weights (within 5 %), local to neighbours.

    Zhang et al. (2019), table 2; its weight also starts at 0.
    """

    def __init__(self, channels: int, bound: Bound = unbounded) -> None:
        super().__init__()
        self.near = bound(nn.Conv2d(channels, channels // 8, 3, 1, 1))
        self.out = bound(nn.Conv2d(channels // 8, channels, 1))
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, F, H, W] -> the same shape."""
        mixed: Tensor = x + self.share * self.out(F.relu(self.near(x)))
        return mixed


class FlattenNHWC(nn.Module):
    """[B, F, H, W] -> [B, H * W * F], without a copy for channels-last memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a view, whose gradient is channels-last, too."""
        return x.permute(0, 2, 3, 1).flatten(1)


class UnflattenNHWC(nn.Module):
    """[B, H * W * F] -> [B, F, H, W], channels-last."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = (shape[1], shape[2], shape[0])

    def forward(self, x: Tensor) -> Tensor:
        """Return a view."""
        return x.view(-1, *self.shape).permute(0, 3, 1, 2)


class PixelNorm(nn.Module):
    """Scales the features of each place to a mean square of 1 (Karras et al. 2018, section 4.2)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, F, ...] -> the same shape."""
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class Pointwise(nn.Linear):
    """A 1x1 convolution as a matrix product, which is cheap to differentiate twice."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, F, H, W] -> [B, F', H, W]."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Scaled(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.scale


def equalised(layer: L, gain: float = 2.0) -> L:
    """Initialise weights from N(0, 1), and scale them at run time by sqrt(gain / inputs).

    Since Adam's steps have the same size for all weights, all layers learn at the same speed (Karras et al. 2018,
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

    Its gradient is a transposed convolution, whose own gradients have fast kernels. The general double backward of a
    convolution uses kernels as large as the image and is several times slower.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, F, H, W] -> [B, F', H / 2, W / 2]."""
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        found: Tensor = _Convolution.apply(x, self.weight.to(x.dtype))  # type: ignore[no-untyped-call]
        assert self.bias is not None
        return found + self.bias.to(x.dtype).view(-1, 1, 1)


_images_only = False


@contextmanager
def slope_at_images() -> Iterator[None]:
    """Skip gradients by convolution weights in backward passes of a block, which need those of images only."""
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
