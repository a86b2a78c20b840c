"""Layers for channels-last memory with cached weights. Legend: B batch, K frames a stack, C channels."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agents.replay.frames import BLOCK


def cached_weight(layer: nn.Module, weight: Tensor, dtype: torch.dtype, make: Callable[[], Tensor]) -> Tensor:
    """Return `make()`, a layer's weight in `dtype`; inference caches it until the parameter changes.

    Converting weights in every call would take a seventh of the time of inference for 32 observations. Changes are
    detected by the parameter's version, which a fused optimiser does not increment (`increment_version`).
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        layer.__dict__.pop("_cached_weight", None)
        return make()
    state = (weight._version, dtype, weight.device)
    found: tuple[object, Tensor] | None = layer.__dict__.get("_cached_weight")
    if found is None or found[0] != state:
        found = (state, make())
        layer.__dict__["_cached_weight"] = found
    return found[1]


def compute_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of products and convolutions of x."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32


class Dense(nn.Linear):
    """A dense layer with cached weight conversion (`cached_weight`)."""

    def forward(self, x: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Map [B, F] -> [B, G]; `noise` is ignored (see `agents.networks.noisy`)."""
        dtype = compute_dtype(x)
        weight = cached_weight(self, self.weight, dtype, lambda: self.weight.to(dtype))
        return F.linear(x, weight, self.bias)


class Conv(nn.Conv2d):
    """A convolution with cached weight conversion (`cached_weight`)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] -> [B, C', H', W']."""
        dtype = compute_dtype(x)
        weight = cached_weight(self, self.weight, dtype, lambda: self.weight.to(dtype))
        return F.conv2d(x, weight, self.bias, self.stride)


class BlockConv(nn.Conv2d):
    """The first layer: an 8x8 convolution of stride 4, computed as 2x2 over 4x4 blocks (`agents.replay.frames`).

    The parameters are those of the paper's layer, [C, K, 8, 8]; pixels 0..255 are scaled to 0..1 through the weights.
    """

    def forward(self, blocks: Tensor) -> Tensor:
        """Map [B, K * 16, H/4, W/4] in 0..255 -> [B, C, H/4 - 1, W/4 - 1]."""
        assert self.bias is not None
        weight = cached_weight(self, self.weight, blocks.dtype, lambda: self._cells(blocks.dtype))
        return F.conv2d(blocks, weight, self.bias.to(blocks.dtype))

    def _cells(self, dtype: torch.dtype) -> Tensor:
        channels, stack, size, _ = self.weight.shape
        cells = size // BLOCK
        split = self.weight.view(channels, stack, cells, BLOCK, cells, BLOCK).permute(0, 1, 3, 5, 2, 4)
        weight = (split / 255.0).reshape(channels, stack * BLOCK * BLOCK, cells, cells).to(dtype)
        return weight.contiguous(memory_format=torch.channels_last)


class StemConv(nn.Conv2d):
    """A first layer of 3x3 and stride 2, computed as 2x2 of stride 1 over cells of 2x2 pixels.

    The parameters are those of the plain layer, [C, K, 3, 3]; a fourth row and column of zeros completes cells.
    """

    def forward(self, blocks: Tensor) -> Tensor:
        """Map [B, K * 16, H/4, W/4] in 0..255 -> [B, C, H/2 - 1, W/2 - 1]."""
        stack = self.weight.shape[1]
        batch, _, rows, columns = blocks.shape
        split = blocks.permute(0, 2, 3, 1).view(batch, rows, columns, stack, 2, 2, 2, 2).permute(0, 1, 4, 2, 6, 3, 5, 7)
        cells = split.reshape(batch, 2 * rows, 2 * columns, 4 * stack).permute(0, 3, 1, 2)
        assert self.bias is not None
        weight = cached_weight(self, self.weight, blocks.dtype, lambda: self._cells(blocks.dtype))
        return F.conv2d(cells, weight, self.bias.to(blocks.dtype))

    def _cells(self, dtype: torch.dtype) -> Tensor:
        channels, stack = self.weight.shape[:2]
        whole = F.pad(self.weight / 255.0, (0, 1, 0, 1)).view(channels, stack, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4)
        weight = whole.reshape(channels, 4 * stack, 2, 2).to(dtype)
        return weight.contiguous(memory_format=torch.channels_last)


class LayerNormNHWC(nn.Module):
    """Layer norm (Ba et al. 2016) over all values of a sample, in channels-last order."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels * height * width)
        self.shape = (height, width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] -> the same shape and dtype, channels-last."""
        flat: Tensor = self.norm(x.permute(0, 2, 3, 1).flatten(1)).to(x.dtype)  # autocast on a GPU returns float32
        return flat.view(-1, *self.shape).permute(0, 3, 1, 2)


class FlattenNHWC(nn.Module):
    """[B, C, H, W] -> [B, H * W * C], without a copy for channels-last memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Flatten x."""
        return x.permute(0, 2, 3, 1).flatten(1)
