"""Generators and discriminators that grow: both have the layers of all sizes; a level selects those in use.

Level 0 is the smallest size (7x7 of 28x28), 1 twice its side, and so on; at level 0.3 the layers of size 1 have weight
0.3. Legend: B batch, C colours, Z size of a latent. Images are float, real ones in -1..1.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gan.layers import FlattenNHWC, PixelNorm, Pointwise, SmoothConv2d, UnflattenNHWC, equalised
from gan.progressive.growth import blend, downsample, upsample
from gan.shapes import Shape, stages_of
from training.settings import check_kinds

MOST = 8  # bound of the channels of a size, as a multiple of the last size's


@dataclass(frozen=True, kw_only=True)
class ProgressiveNetworkSettings:
    """Architecture of both networks."""

    latent: int = 64  # size of z
    generator_width: int = (
        8  # channels at the last size; four times as many at the one before it, eight times at others
    )
    discriminator_width: int = 8
    conditional: bool = False  # class-conditional: embedding in, projection out

    def __post_init__(self) -> None:
        check_kinds(self, "network")
        if min(self.latent, self.generator_width, self.discriminator_width) < 1:
            raise ValueError("network.latent, generator_width and discriminator_width must be 1 or more")


def channels_of(width: int, top: int) -> list[int]:
    """Return the channels at each size, smallest first: 64, 32, 8 for width 8 and three sizes."""
    return [width * min(MOST, 4 ** (top - level)) for level in range(top + 1)]


class GrowingGenerator(nn.Module):
    """Latents [B, Z] float32 (and classes [B] int64) -> images [B, C, H, W] float32, linear as in the paper."""

    level: Tensor  # [] float32: the current one

    def __init__(self, settings: ProgressiveNetworkSettings, shape: Shape, classes: int) -> None:
        super().__init__()
        colours, height, width = shape
        self.latent, self.top = settings.latent, stages_of(height, width)
        self.embedding = nn.Embedding(classes, settings.latent) if settings.conditional else None
        self.normalised = not settings.conditional  # else latent and class are normalised together
        channels = channels_of(settings.generator_width, self.top)
        base = (channels[0], height >> self.top, width >> self.top)
        inputs = settings.latent * (2 if settings.conditional else 1)
        first = equalised(nn.Linear(inputs, math.prod(base)))
        self.first = nn.Sequential(PixelNorm(), first, UnflattenNHWC(base), nn.LeakyReLU(0.2), PixelNorm())
        self.blocks = nn.ModuleList(
            nn.Sequential(equalised(nn.ConvTranspose2d(inner, outer, 4, 2, 1)), nn.LeakyReLU(0.2), PixelNorm())
            for inner, outer in pairwise(channels)
        )
        self.to_image = nn.ModuleList(equalised(Pointwise(each, colours), gain=1.0) for each in channels)
        self.register_buffer("level", torch.zeros(()))

    def grown(self, latent: Tensor, label: Tensor | None, level: float) -> Tensor:
        """Return images at a level, in the size of that level."""
        if self.embedding is not None:
            assert label is not None, "a conditional generator needs classes"
            latent = torch.cat([latent, self.embedding(label)], 1)
        size, before = math.ceil(level), None
        x = self.first(latent)
        for block in self.blocks[:size]:
            before, x = x, block(x)
        images: Tensor = self.to_image[size](x).float()
        if before is not None and level < size:
            old = upsample(self.to_image[size - 1](before).float())
            images = blend(old, images, level - (size - 1))
        return images

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """Return images at the current level, enlarged to the last size."""
        level = float(self.level)
        return upsample(self.grown(latent, label, level), self.top - math.ceil(level))


class GrowingDiscriminator(nn.Module):
    """Images [B, C, H, W] of a level's size (and classes [B]) -> logits [B] float32."""

    batch_norm = False

    def __init__(self, settings: ProgressiveNetworkSettings, shape: Shape, classes: int) -> None:
        super().__init__()
        colours, height, width = shape
        top = stages_of(height, width)
        channels = channels_of(settings.discriminator_width, top)
        self.from_image = nn.ModuleList(
            nn.Sequential(equalised(Pointwise(colours, each)), nn.LeakyReLU(0.2)) for each in channels
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(equalised(SmoothConv2d(outer, inner, 4, 2, 1)), nn.LeakyReLU(0.2))
            for inner, outer in pairwise(channels)
        )
        features, places = 2 * channels[0], (height >> top) * (width >> top)
        last = equalised(nn.Linear(channels[0] * places, features))
        self.last = nn.Sequential(FlattenNHWC(), last, nn.LeakyReLU(0.2))
        self.out = equalised(nn.Linear(features, 1), gain=1.0)
        self.projection = nn.Embedding(classes, features) if settings.conditional else None
        if self.projection is not None:
            nn.init.normal_(self.projection.weight, std=features**-0.5)  # so that the product sums to the order of 1

    def forward(self, images: Tensor, label: Tensor | None, level: float) -> Tensor:
        """Return logits of images of the size of `level`."""
        size = math.ceil(level)
        x = self.from_image[size](images)
        for step in range(size, 0, -1):
            x = self.blocks[step - 1](x)
            if step == size and level < size:
                x = blend(self.from_image[size - 1](downsample(images)), x, level - (size - 1))
        features = self.last(x)
        logit: Tensor = self.out(features).squeeze(1)
        if self.projection is not None:
            logit = logit + (features * self.projection(label)).sum(1)
        return logit.float()


class Stages(nn.Module):
    """The current generator, and its copies at the end of every smaller size; saved and exported together."""

    def __init__(self, generator: GrowingGenerator, finished: int) -> None:
        super().__init__()
        self.latent, self.normalised, self.newest = generator.latent, generator.normalised, generator
        self.finished = nn.ModuleList(copy.deepcopy(generator) for _ in range(finished))

    @property
    def embedding(self) -> nn.Embedding | None:
        """Class embedding of the newest generator; None if unconditional."""
        return self.newest.embedding

    def finish(self, stage: int) -> None:
        """Copy the newest generator as the end of `stage`; 0 is the first trained."""
        self.finished[stage].load_state_dict(self.newest.state_dict())

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Any:
        """Return images of the newest generator."""
        return self.newest(latent, label)
