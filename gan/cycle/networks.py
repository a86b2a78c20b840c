"""What translates: a residual network on blocks of pixels, cheap enough to stand between a game and its player.

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
    side: int = 4  # pixels: images are cut into squares of this side, which a translator works on
    change: bool = True  # a translator draws what to change about an image; else the whole image
    rows: bool = False  # every place sees its whole row, which mirroring needs and convolutions cannot do
    discriminator_width: int = 16  # channels of the first layer, twice as many at each halving of the side

    def __post_init__(self) -> None:
        check_kinds(self, "network")
        if min(self.generator_width, self.side, self.discriminator_width) < 1 or self.blocks < 0:
            raise ValueError(
                "network.generator_width, side and discriminator_width must be 1 or more, network.blocks 0 or more"
            )


class Residual(nn.Module):
    """x + two convolutions of x; the second begins at 0, so that a new one changes nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, 1, 1) for _ in range(2))
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, h, w] -> the same shape."""
        changed: Tensor = x + self.second(torch.relu(self.first(torch.relu(x))))
        return changed


class Row(nn.Module):
    """Every place of a row becomes a learned mean of all places of that row, the same for all rows and features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(width))

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, h, w] -> the same shape."""
        return x @ self.weight.to(x.dtype)


class Translator(nn.Module):
    """Images [B, C, H, W] float32 -> the same images in the other domain.

    Blocks of pixels are a place's channels (nothing is lost, as it is where images are halved), and every place has
    numbers of its own, so that a fixed background can be drawn.

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
        self.row = Row(width // side) if settings.rows else nn.Identity()
        self.body = nn.Sequential(*(Residual(features) for _ in range(settings.blocks)), nn.ReLU())
        self.exit = nn.Conv2d(features, colours * side**2, 3, 1, 1)
        if settings.change:
            for parameter in self.exit.parameters():
                nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Unbounded: a pixel outside of -1..1 is shown as the nearest one inside."""
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

    A ball is judged by the same weights wherever it is; each place has numbers of its own beside, so that a background
    is judged by where it is.
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
        """Logits."""
        features = F.leaky_relu(self.last(self.body(images)) + self.places, 0.2)
        logits: Tensor = self.out(features).flatten(1)
        return logits.float()


class Discriminators(nn.Module):
    """One for each domain."""

    def __init__(self, settings: CycleNetworkSettings, shape: Shape) -> None:
        super().__init__()
        self.first, self.second = PatchDiscriminator(settings, shape), PatchDiscriminator(settings, shape)


class Shown(nn.Module):
    """Both averaged translators with held-out images to show what they do, as a `gan.parts.Generator`.

    A translator invents nothing. What is drawn is an image of each domain with its translation and what comes back of
    it, side by side: [B, C, H, 6 W].
    """

    PANELS = 6
    latent = 0  # it is given images instead of noise
    normalised = False
    embedding: nn.Embedding | None = None
    shelf: Tensor  # uint8 [2, N, C, H, W]: of the first domain, and of the second

    def __init__(self, pair: Pair, shelf: Tensor) -> None:
        super().__init__()
        self.pair = pair
        self.register_buffer("shelf", shelf)

    def forward(self, images: Tensor, label: None = None) -> Tensor:
        """x, forth(x), back(forth(x)), y, back(y), forth(back(y)) of images x and y, uint8 [B, 2, C, H, W]."""
        first, second = to_float(images).unbind(1)
        there, here = self.pair.forth(first), self.pair.back(second)
        return torch.cat([first, there, self.pair.back(there), second, here, self.pair.forth(here)], 3)
