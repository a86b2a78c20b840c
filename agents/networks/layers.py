"""Layers of our own, in the order in which memory lies. Legend: B batch, K frames a stack, C channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agents.replay.frames import BLOCK


class BlockConv(nn.Conv2d):
    """The first layer: an 8x8 convolution of stride 4, computed as 2x2 over 4x4 blocks (`agents.replay.frames`).

    The parameters are those of the paper's layer, [C, K, 8, 8]; pixels 0..255 are scaled to 0..1 through the weights.
    """

    def forward(self, blocks: Tensor) -> Tensor:
        """[B, K * 16, H/4, W/4] in 0..255 -> [B, C, H/4 - 1, W/4 - 1]."""
        channels, stack, size, _ = self.weight.shape
        cells = size // BLOCK
        split = self.weight.view(channels, stack, cells, BLOCK, cells, BLOCK).permute(0, 1, 3, 5, 2, 4)
        weight = (split / 255.0).reshape(channels, stack * BLOCK * BLOCK, cells, cells).to(blocks.dtype)
        assert self.bias is not None
        return F.conv2d(blocks, weight.contiguous(memory_format=torch.channels_last), self.bias.to(blocks.dtype))


class LayerNormNHWC(nn.Module):
    """Layer norm (Ba et al. 2016) over all values of one sample, whose memory is channels-last."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels * height * width)
        self.shape = (height, width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape and dtype, channels-last."""
        flat: Tensor = self.norm(x.permute(0, 2, 3, 1).flatten(1)).to(x.dtype)  # autocast on a GPU makes it float32
        return flat.view(-1, *self.shape).permute(0, 3, 1, 2)


class FlattenNHWC(nn.Module):
    """[B, C, H, W] -> [B, H * W * C]: the order in which channels-last memory already lies."""

    def forward(self, x: Tensor) -> Tensor:
        """As above."""
        return x.permute(0, 2, 3, 1).flatten(1)
