"""Torsos: the convolutions of 2013 (the lecture's table) and 2015, a 3x3 stem, and an MLP.

Legend: B batch, F features, N taus (`agents.networks.implicit`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from agents.networks.implicit import TauEmbedding
from agents.networks.layers import BlockConv, Conv, Dense, FlattenNHWC, LayerNormNHWC, StemConv
from agents.networks.noisy import NoisyDense
from agents.networks.settings import NetworkSettings
from agents.replay.frames import BLOCK, colours_of

# (channels, kernel, stride) of each convolution, then the hidden units of the dense layer.
CONVS: dict[str, tuple[tuple[tuple[int, int, int], ...], int]] = {
    "dqn2013": (((16, 8, 4), (32, 4, 2)), 256),  # Mnih et al. 2013, section 4.1
    "dqn2015": (((32, 8, 4), (64, 4, 2), (64, 3, 1)), 512),  # Mnih et al. 2015, Methods
    "stem": (((16, 3, 2), (24, 3, 2), (32, 3, 2), (32, 3, 1)), 256),  # small kernels from the first layer on
}


class Layers(nn.Sequential):
    """Sequential layers that pass weight noise and taus to those that need them."""

    def forward(self, x: Tensor, noise: torch.Generator | None = None, tau: Tensor | None = None) -> Tensor:
        """Map [B, ...] -> [B, F], or [B * N, F] with taus."""
        for layer in self:
            if isinstance(layer, TauEmbedding):
                x = layer(x, tau)
            else:
                x = layer(x, noise) if isinstance(layer, Dense) else layer(x)
        return x


def dense_of(settings: NetworkSettings) -> type[Dense]:
    """Return the class of dense layers."""
    return NoisyDense if settings.noisy else Dense


def convolutions(settings: NetworkSettings, frame_shape: tuple[int, ...], *, implicit: bool) -> tuple[Layers, int]:
    """Return layers for pixels, and F.

    Args:
        implicit: insert an embedding of tau between the convolutions and the dense layer.

    Raises:
        ValueError: the frames are too small.
    """
    (height, width), channels = frame_shape[:2], settings.stack * max(colours_of(frame_shape), 1)
    convs, hidden = CONVS[settings.kind]
    layers: list[nn.Module] = []
    for index, (out, kernel, stride) in enumerate(convs):
        conv = Conv if index else BlockConv if stride == BLOCK else StemConv
        layers.append(conv(channels, out, kernel, stride))
        channels, height, width = out, (height - kernel) // stride + 1, (width - kernel) // stride + 1
        if min(height, width) < 1:
            raise ValueError(
                f"frames of {frame_shape[0]}x{frame_shape[1]} are too small for network.kind "
                f"{settings.kind}: scale them up, as in --image-size 84, or give a network of your own"
            )
        normed = settings.layer_norm and settings.layer_norm_convs
        layers += [LayerNormNHWC(channels, height, width)] if normed else []
        layers.append(nn.ReLU())
    features = channels * height * width
    layers += [FlattenNHWC(), *_join(features, implicit), dense_of(settings)(features, hidden)]
    layers += [nn.LayerNorm(hidden)] if settings.layer_norm else []
    return Layers(*layers, nn.ReLU()), hidden


def perceptron(settings: NetworkSettings, frame_shape: tuple[int, ...], *, implicit: bool) -> tuple[Layers, int]:
    """Return two dense layers for vectors, and F; with `implicit`, tau is embedded between them."""
    layers: list[nn.Module] = []
    width = math.prod(frame_shape) * settings.stack
    for index in range(2):
        layers += [*_join(width, implicit and index == 1), dense_of(settings)(width, settings.hidden)]
        layers += [nn.LayerNorm(settings.hidden)] if settings.layer_norm else []
        layers.append(nn.ReLU())
        width = settings.hidden
    return Layers(*layers), width


def _join(features: int, implicit: bool) -> list[nn.Module]:
    return [TauEmbedding(features)] if implicit else []
