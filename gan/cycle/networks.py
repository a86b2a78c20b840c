"""Translators: residual networks on blocks of pixels, cheap enough to run between a game and an agent.

Legend: B batch, C colours, H and W pixels, S pixels a block's side, F features. Images are float in -1..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.data.images import to_float
from gan.layers import SmoothConv2d
from gan.shapes import Shape, stages_of
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class CycleNetworkSettings:
    """Both translators and both discriminators."""

    generator_width: int = 64  # features of a block
    blocks: int = 3  # residual blocks of two convolutions; the paper has nine at 256 pixels
    side: int = 4  # pixels: images are cut into squares of this side, the places of a translator
    change: bool = True  # the output of a translator is added to the image; else it is the whole image
    rows: bool = False  # mix all places of a row, which mirroring needs and small convolutions cannot do
    discriminator_width: int = 16  # channels of the first layer, doubled at each halving of the side

    def __post_init__(self) -> None:
        check_kinds(self, "network")
        if min(self.generator_width, self.side, self.discriminator_width) < 1 or self.blocks < 0:
            raise ValueError(
                "network.generator_width, side and discriminator_width must be 1 or more, network.blocks 0 or more"
            )


class Residual(nn.Module):
    """x + two convolutions of x; the second starts with weights of 0, so that a new block only adds its bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, 1, 1) for _ in range(2))
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, F, h, w] -> the same shape."""
        changed: Tensor = x + self.second(torch.relu(self.first(torch.relu(x))))
        return changed


class RowMixing(nn.Module):
    """A learned linear map of the places of a row, the same for all rows and features; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(width))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, F, h, w] -> the same shape."""
        return x @ self.weight.to(x.dtype)


class Translator(nn.Module):
    """Images [B, C, H, W] float32 -> the same images in the other domain.

    The pixels of a block are the channels of a place, which loses nothing, unlike downsampling. Every place has a
    learned bias, so that a fixed background can be drawn.

    Raises:
        ValueError: blocks do not fill the image.
    """

    def __init__(self, settings: CycleNetworkSettings, shape: Shape) -> None:
        super().__init__()
        colours, height, width = shape
        side, features = settings.side, settings.generator_width
        if height % side or width % side:
            raise ValueError(f"network.side is {side}: images of {height}x{width} pixels need a divisor of both")
        self.cut, self.joined = nn.PixelUnshuffle(side), nn.PixelShuffle(side)
        self.change = settings.change
        self.entry = nn.Conv2d(colours * side**2, features, 3, 1, 1)
        self.places = nn.Parameter(torch.zeros(features, height // side, width // side))
        self.row = RowMixing(width // side) if settings.rows else nn.Identity()
        self.body = nn.Sequential(*(Residual(features) for _ in range(settings.blocks)), nn.ReLU())
        self.exit = nn.Conv2d(features, colours * side**2, 3, 1, 1)
        if settings.change:
            for parameter in self.exit.parameters():
                nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Return unbounded images; pixels are clamped to -1..1 when they are converted to uint8."""
        features = self.row(self.entry(self.cut(images))) + self.places
        drawn: Tensor = self.joined(self.exit(self.body(features))).float()
        return images + drawn if self.change else drawn


class Pair(nn.Module):
    """Both translators: `forth` from the first domain to the second, and `back`."""

    def __init__(self, settings: CycleNetworkSettings, shape: Shape) -> None:
        super().__init__()
        self.forth, self.back = Translator(settings, shape), Translator(settings, shape)


class PatchDiscriminator(nn.Module):
    """Images [B, C, H, W] -> logits [B, P] float32, one for each of P overlapping patches (Zhu et al. 2017, section 4).

    Moving objects are judged by the same weights at every place; a learned bias per place lets a fixed background be
    judged by its position.
    """

    def __init__(self, settings: CycleNetworkSettings, shape: Shape) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        for stage in range(min(stages_of(height, width), 2)):
            out = settings.discriminator_width << stage
            layers += [SmoothConv2d(channels, out, 4, 2, 1), nn.LeakyReLU(0.2)]
            channels, height, width = out, height // 2, width // 2
        self.body = nn.Sequential(*layers)
        self.last = nn.Conv2d(channels, 2 * channels, 3, 1, 1)
        self.places = nn.Parameter(torch.zeros(2 * channels, height, width))
        self.out = nn.Conv2d(2 * channels, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        features = F.leaky_relu(self.last(self.body(images)) + self.places, 0.2)
        logits: Tensor = self.out(features).flatten(1)
        return logits.float()


class Discriminators(nn.Module):
    """One discriminator per domain."""

    def __init__(self, settings: CycleNetworkSettings, shape: Shape) -> None:
        super().__init__()
        self.first, self.second = PatchDiscriminator(settings, shape), PatchDiscriminator(settings, shape)


class Shown(nn.Module):
    """Both averaged translators with held-out images for pictures, as a `gan.parts.Generator`.

    Translators have no noise. The output is an image of each domain, its translation and that translated back, side
    by side: [B, C, H, 6 W].
    """

    PANELS = 6
    latent = 0  # the input is images instead of noise
    normalised = False
    embedding: nn.Embedding | None = None
    shelf: Tensor  # uint8 [2, N, C, H, W]: of the first domain, and of the second

    def __init__(self, pair: Pair, shelf: Tensor) -> None:
        super().__init__()
        self.pair = pair
        self.register_buffer("shelf", shelf)

    def forward(self, images: Tensor, label: None = None) -> Tensor:
        """Return x, forth(x), back(forth(x)), y, back(y), forth(back(y)) of images x and y, uint8 [B, 2, C, H, W]."""
        first, second = to_float(images).unbind(1)
        there, here = self.pair.forth(first), self.pair.back(second)
        return torch.cat([first, there, self.pair.back(there), second, here, self.pair.forth(here)], 3)
