"""Generators and discriminators: the MLPs of 2014 and the transposed convolutions of DCGAN.

Legend: B batch, C colours, H and W pixels, Z latent numbers, F features. Images are float in -1..1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan.layers import Bound, FlattenNHWC, ResidualBlock, SelfAttention, SmoothConv2d, UnflattenNHWC, unbounded
from gan.shapes import Shape, stages_of
from training.settings import check_kinds

Kind = Literal["dcgan", "mlp"]
GeneratorNorm = Literal["batch", "none"]
DiscriminatorNorm = Literal["none", "batch", "spectral"]


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Architecture of both networks."""

    kind: Kind = "dcgan"
    latent: int = 64  # size of z
    generator_width: int = 32  # dcgan: channels before the last layer; mlp: units of both hidden layers
    discriminator_width: int = 32  # dcgan: channels of the first layer; mlp: units of both hidden layers
    discriminator_hidden: int = 0  # units of a dense layer before the last one; 0 for none
    generator_norm: GeneratorNorm = "batch"
    discriminator_norm: DiscriminatorNorm = "none"
    conditional: bool = False  # class-conditional: embedding in, projection out (Miyato and Koyama 2018)
    pack: int = 1  # images per logit of the discriminator (Lin et al. 2018)
    attention: bool = False  # a self-attention block in both (Zhang et al. 2019)
    residual: bool = False  # its control: a residual block with as many weights
    block_halvings: int = 1  # number of halvings of the image at that block

    def __post_init__(self) -> None:
        check_kinds(self, "network")
        least = min(self.latent, self.generator_width, self.discriminator_width, self.pack)
        if least < 1 or self.discriminator_hidden < 0:
            raise ValueError(
                "network.latent, widths and pack must be 1 or more, network.discriminator_hidden 0 or more"
            )
        block = self.attention or self.residual
        if block and (self.kind == "mlp" or min(self.generator_width, self.discriminator_width) < 8):
            raise ValueError(
                "network.attention and residual need kind dcgan and widths of 8 or more: change them or leave both out"
            )
        if (self.attention and self.residual) or self.block_halvings < 1:
            raise ValueError("network.attention and residual are alternatives: use one, with block_halvings above 0")
        if self.conditional and self.pack > 1:
            raise ValueError("network.conditional and packing do not go together: packed images have several classes")

    def block(self, channels: int, bound: Bound = unbounded) -> list[nn.Module]:
        """Return the attention block, its control, or nothing, for features with `channels` channels."""
        if self.attention:
            return [SelfAttention(channels, bound)]
        return [ResidualBlock(channels, bound)] if self.residual else []


class Generator(nn.Module):
    """Latents [B, Z] float32 (and classes [B] int64 if conditional) -> images [B, C, H, W] float32 in -1..1."""

    normalised = False

    def __init__(self, settings: NetworkSettings, shape: Shape, classes: int) -> None:
        super().__init__()
        self.shape, self.latent = shape, settings.latent
        self.embedding = nn.Embedding(classes, settings.latent) if settings.conditional else None
        inputs = settings.latent * (2 if settings.conditional else 1)
        make = self._mlp if settings.kind == "mlp" else self._dcgan
        self.body = nn.Sequential(*make(settings, inputs), nn.Tanh())

    def _mlp(self, settings: NetworkSettings, inputs: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for units in (settings.generator_width,) * 2:
            layers += [nn.Linear(inputs, units), *_norm1d(settings.generator_norm, units), nn.ReLU()]
            inputs = units
        return [*layers, nn.Linear(inputs, math.prod(self.shape)), nn.Unflatten(1, self.shape)]

    def _dcgan(self, settings: NetworkSettings, inputs: int) -> list[nn.Module]:
        colours, height, width = self.shape
        stages = stages_of(height, width)
        if (settings.attention or settings.residual) and settings.block_halvings > stages:
            asked = settings.block_halvings
            raise ValueError(f"network.block_halvings is {asked}: these images are halved {stages} times, use no more")
        first, scale = settings.generator_width << (stages - 1), 1 << stages
        base = (first, height // scale, width // scale)
        layers: list[nn.Module] = [nn.Linear(inputs, math.prod(base)), UnflattenNHWC(base)]
        for stage in range(stages):
            channels = first >> stage
            layers += [*_norm2d(settings.generator_norm, channels), nn.ReLU()]
            if stages - stage == settings.block_halvings:
                layers += settings.block(channels)
            out = colours if stage == stages - 1 else channels // 2
            layers.append(nn.ConvTranspose2d(channels, out, 4, 2, 1))
        return layers

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """Return images; computed in bfloat16 inside `torch.autocast`, always returned as float32."""
        if self.embedding is not None:
            assert label is not None, "a conditional generator needs classes"
            latent = torch.cat([latent, self.embedding(label)], 1)
        images: Tensor = self.body(latent)
        return images.float()


class Discriminator(nn.Module):
    """Images [B, C, H, W] (and classes [B] if conditional) -> logits [B / pack] float32."""

    def __init__(self, settings: NetworkSettings, shape: Shape, classes: int) -> None:
        super().__init__()
        self.pack, self.norm = settings.pack, settings.discriminator_norm
        self.batch_norm = self.norm == "batch"
        make = self._mlp if settings.kind == "mlp" else self._dcgan
        layers, features = make(settings, (shape[0] * settings.pack, *shape[1:]))
        if units := settings.discriminator_hidden:
            layers, features = [*layers, self._bounded(nn.Linear(features, units)), nn.LeakyReLU(0.2)], units
        self.body = nn.Sequential(*layers)
        self.out = self._bounded(nn.Linear(features, 1))
        self.projection = self._bounded(self._scaled(nn.Embedding(classes, features))) if settings.conditional else None

    @staticmethod
    def _scaled(embedding: nn.Embedding) -> nn.Embedding:
        """Initialise like a linear layer: with unit normals the class term would dominate the logit."""
        bound = embedding.embedding_dim**-0.5
        nn.init.uniform_(embedding.weight, -bound, bound)
        return embedding

    def _bounded(self, layer: nn.Module) -> nn.Module:
        """Return the layer, with spectral norm if that is the norm (Miyato et al. 2018)."""
        return spectral_norm(layer) if self.norm == "spectral" else layer

    def _mlp(self, settings: NetworkSettings, shape: Shape) -> tuple[list[nn.Module], int]:
        units, inputs = settings.discriminator_width, math.prod(shape)
        layers: list[nn.Module] = [nn.Flatten()]
        for _ in range(2):
            layers += [self._bounded(nn.Linear(inputs, units)), *_norm1d(self.norm, units), nn.LeakyReLU(0.2)]
            inputs = units
        return layers, units

    def _dcgan(self, settings: NetworkSettings, shape: Shape) -> tuple[list[nn.Module], int]:
        channels, height, width = shape
        stages, layers = stages_of(height, width), list[nn.Module]()
        for stage in range(stages):
            out = settings.discriminator_width << stage
            layers.append(self._bounded(SmoothConv2d(channels, out, 4, 2, 1)))
            layers += [*(_norm2d(self.norm, out) if stage else []), nn.LeakyReLU(0.2)]  # DCGAN: no norm at the input
            if stage + 1 == settings.block_halvings:
                layers += settings.block(out, self._bounded)
                if stage + 1 == stages and settings.attention | settings.residual:
                    layers.append(nn.LeakyReLU(0.2))  # else the block would be linear
            channels, height, width = out, height // 2, width // 2
        return [*layers, FlattenNHWC()], channels * height * width

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """Return logits; neighbours in the batch are packed."""
        if self.pack > 1:
            images = images.reshape(-1, self.pack * images.shape[1], *images.shape[2:])
        features = self.body(images)
        logit: Tensor = self.out(features).squeeze(1)
        if self.projection is not None:
            logit = logit + (features * self.projection(label)).sum(1)
        return logit.float()


def _norm1d(kind: str, units: int) -> list[nn.Module]:
    return [nn.BatchNorm1d(units)] if kind == "batch" else []


def _norm2d(kind: str, channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels)] if kind == "batch" else []
