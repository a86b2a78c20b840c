"""Two generators that share their first layers, two discriminators that share their last ones (section 3, figure 1).

Legend: B batch, C colours, H and W pixels of one image, Z latent numbers. Images are float in -1..1; those of a pair
lie side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gan.layers import FlattenNHWC, SmoothConv2d, UnflattenNHWC
from gan.shapes import Shape, stages_of
from training.settings import check_kinds

Coupling = Literal["layers", "none", "bit"]
BITS = (-1.0, 1.0)  # values of the additional input that encodes the domain


@dataclass(frozen=True, kw_only=True)
class CoupledNetworkSettings:
    """Both pairs of networks. With few features at the last size, unrelated images of a pair are costly to generate."""

    coupling: Coupling = "layers"
    """layers: the generators share all but their last layer, the discriminators all but their first.
    none: two GANs that share the latents only. bit: one GAN with the domain as an additional input."""
    latent: int = 64  # size of z
    generator_width: int = 8  # channels of the last features, doubled at each halving of the side
    discriminator_width: int = 32  # channels of the first layer
    discriminator_hidden: int = 256  # units of a dense layer after the convolutions

    def __post_init__(self) -> None:
        check_kinds(self, "network")
        if min(self.latent, self.generator_width, self.discriminator_width, self.discriminator_hidden) < 1:
            raise ValueError("network.latent and the widths of generator and discriminator must be 1 or more")

    def shared(self, layers: int) -> int:
        """Return how many of `layers` layers both domains share."""
        return {"layers": layers - 1, "none": 0, "bit": layers}[self.coupling]


class CoupledGenerator(nn.Module):
    """Latents [B, Z] float32 -> pairs [B, C, H, 2 W] float32; both images of a pair have the same latents."""

    normalised = False

    def __init__(self, settings: CoupledNetworkSettings, shape: Shape) -> None:
        super().__init__()
        self.latent, self.embedding, self.told = settings.latent, None, settings.coupling == "bit"
        layers = [generator_layers(settings, shape, settings.latent + self.told) for _ in BITS]
        shared = settings.shared(len(layers[0]))
        self.shared = nn.Sequential(*layers[0][:shared])
        self.own = nn.ModuleList(nn.Sequential(*each[shared:], nn.Tanh()) for each in layers)

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """Return pairs; `label` is ignored, since the family is unconditional."""
        if self.told:
            features = self.shared(torch.cat([_with_bit(latent, bit) for bit in BITS])).chunk(2)
        else:
            features = (self.shared(latent),) * 2
        return torch.cat([own(each) for own, each in zip(self.own, features, strict=True)], 3).float()


class CoupledDiscriminator(nn.Module):
    """Images side by side [B, C, H, 2 W] -> logits [B, 2] float32, each of one image only."""

    batch_norm = False

    def __init__(self, settings: CoupledNetworkSettings, shape: Shape) -> None:
        super().__init__()
        self.told = settings.coupling == "bit"
        inputs = (shape[0] + self.told, *shape[1:])
        layers = [discriminator_layers(settings, inputs) for _ in BITS]
        own = len(layers[0]) - settings.shared(len(layers[0]))
        self.own = nn.ModuleList(nn.Sequential(*each[:own]) for each in layers)
        self.shared = nn.Sequential(*layers[0][own:])

    def forward(self, images: Tensor) -> Tensor:
        """Return logits: the left image's in column 0, the right one's in column 1."""
        halves = images.chunk(2, 3)
        if self.told:
            halves = tuple(_with_bit(half, bit) for half, bit in zip(halves, BITS, strict=True))
        seen = torch.cat([own(half) for own, half in zip(self.own, halves, strict=True)])
        return torch.stack(self.shared(seen).squeeze(1).chunk(2), 1).float()


def generator_layers(settings: CoupledNetworkSettings, shape: Shape, inputs: int) -> list[nn.Module]:
    """Return layers from latents [B, inputs] to unbounded images [B, C, H, W]; five layers for 28 pixels.

    A linear layer, one for each doubling of the side, and two at the last size, so that the shared layers end in
    features of the image's size, and each domain has one convolution of its own.
    """
    colours, height, width = shape
    stages = stages_of(height, width)
    channels = settings.generator_width << stages
    base = (channels, height >> stages, width >> stages)
    layers: list[nn.Module] = [nn.Sequential(nn.Linear(inputs, math.prod(base)), UnflattenNHWC(base))]
    for _ in range(stages):
        layers.append(_normed(channels, nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1)))
        channels //= 2
    layers.append(_normed(channels, nn.Conv2d(channels, channels, 3, 1, 1)))
    return [*layers, _normed(channels, nn.Conv2d(channels, colours, 5, 1, 2))]


def _normed(channels: int, convolution: nn.Module) -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), convolution)


def discriminator_layers(settings: CoupledNetworkSettings, shape: Shape) -> list[nn.Module]:
    """Return layers from images [B, C, H, W] to logits [B, 1]: one per halving of the side, then two dense ones."""
    channels, height, width = shape
    layers: list[nn.Module] = []
    for stage in range(stages_of(height, width)):
        out = settings.discriminator_width << stage
        layers.append(nn.Sequential(SmoothConv2d(channels, out, 4, 2, 1), nn.LeakyReLU(0.2)))
        channels, height, width = out, height // 2, width // 2
    units = settings.discriminator_hidden
    layers.append(nn.Sequential(FlattenNHWC(), nn.Linear(channels * height * width, units), nn.LeakyReLU(0.2)))
    return [*layers, nn.Linear(units, 1)]


def _with_bit(x: Tensor, bit: float) -> Tensor:
    """Append the domain to latents [B, Z] as a number, or to images [B, C, H, W] as a constant channel."""
    return torch.cat([x, torch.full_like(x[:, :1], bit)], 1)
