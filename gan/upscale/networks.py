"""Both networks. Legend: B images, C colours, T frames of a clip, K low frames seen at once, h and w low pixels.

Nearly all of the generator's work is done on the low grid (Shi et al. 2016), where a pixel costs a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.data.images import Pixels, to_float
from gan.standard.networks import Shape
from gan.upscale.lowering import JITTER, SCALE, resized, woven
from training.settings import check_kinds

EXAMPLES = 4  # true images that a generator carries along, for grids of what it makes of them
AREA = SCALE**2


@dataclass(frozen=True, kw_only=True)
class UpscaleNetworkSettings:
    """Size of both networks, and what the generator sees."""

    width: int = 24  # channels of the generator
    blocks: int = 5
    discriminator_width: int = 24  # channels behind its first layer; each further one has twice as many, up to 4 times
    seen: int = 1  # K: low frames of a clip that are seen at once, the newest included; 1 or 4
    previous: bool = False  # whether the last output is seen, too

    def __post_init__(self) -> None:
        check_kinds(self)
        if min(self.width, self.blocks, self.discriminator_width) < 1:
            raise ValueError("network.width, blocks and discriminator_width must be 1 or more")
        if self.seen not in (1, len(JITTER)):
            raise ValueError(f"network.seen is {self.seen}: use 1, or 4 for all places that are sampled in turn")


class Block(nn.Module):
    """x + conv(relu(conv(x))): the residual block of Ledig et al. (2017) without batch norm (Lim et al. 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, h, w] -> the same shape."""
        found: Tensor = x + self.body(x)
        return found


def varied(images: Pixels, count: int) -> Pixels:
    """The `count` images [N, C, H, W] with the largest deviation of pixels: there is something to see in them."""
    return images[np.sort(np.argsort(images.std((1, 2, 3)))[::-1][:count])]


class Upscaler(nn.Module):
    """What is added to a plain enlargement: of a photograph the bicubic one, of frames the last samples interwoven.

    Before it is trained it adds nothing.
    """

    latent = 0  # it is given images instead of noise
    embedding: nn.Embedding | None = None
    examples: Tensor  # uint8 [4, C, T H, W]

    def __init__(self, settings: UpscaleNetworkSettings, shape: Shape, frames: int) -> None:
        super().__init__()
        self.settings, self.frames, self.colours = settings, frames, shape[0]
        self.register_buffer("examples", torch.zeros(EXAMPLES, *shape, dtype=torch.uint8))
        inputs = self.colours
        if frames > 1:
            inputs = self.colours * AREA * (1 + settings.previous) + len(JITTER)
        self.head = nn.Conv2d(inputs, settings.width, 3, 1, 1)
        self.body = nn.Sequential(
            *(Block(settings.width) for _ in range(settings.blocks)), nn.Conv2d(settings.width, settings.width, 3, 1, 1)
        )
        self.tail = nn.Conv2d(settings.width, self.colours * AREA, 3, 1, 1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, small: Tensor, label: None = None) -> Tensor:
        """Low images uint8 [B, T, C, h, w] -> large ones [B, T, C, 2h, 2w], about -1..1; each frame after the last."""
        if self.frames == 1:
            low = to_float(small[:, 0])
            return self.added(low, resized(low, SCALE))[:, None]
        found: list[Tensor] = []
        for time, last in enumerate(woven(small, self.settings.seen).unbind(1)):
            found.append(self.frame(last, time, found[-1].detach() if found else None))
        return torch.stack(found, 1)

    def frame(self, last: Tensor, time: int, previous: Tensor | None) -> Tensor:
        """The next frame of a clip [B, C, 2h, 2w].

        Args:
            last: uint8 [B, 4 C, h, w], the last samples of this time (`gan.upscale.lowering.woven`).
            time: frames before this one; which place is the newest follows from it.
            previous: the output before, [B, C, 2h, 2w]; None at first.
        """
        given = to_float(last)
        base = F.pixel_shuffle(given, SCALE)
        which = torch.zeros(len(given), len(JITTER), *given.shape[2:], device=given.device)
        which[:, time % len(JITTER)] = 1
        shown = [given, which]
        if self.settings.previous:
            shown.append(F.pixel_unshuffle(base if previous is None else previous, SCALE))
        return self.added(torch.cat(shown, 1), base)

    def added(self, given: Tensor, base: Tensor) -> Tensor:
        """What it sees [B, ., h, w] and a plain enlargement [B, C, 2h, 2w] -> the output [B, C, 2h, 2w]."""
        x = F.relu(self.head(given))
        residual: Tensor = self.tail(x + self.body(x))
        return base + F.pixel_shuffle(residual.float(), SCALE)


def discriminator(settings: UpscaleNetworkSettings, colours: int, side: int) -> nn.Module:
    """Large images [B, C, side, side] -> logits [B, 1]: convolutions of stride 2 until 6 pixels or fewer are left."""
    layers: list[Any] = []
    channels, width = colours, settings.discriminator_width
    while side > 6 or not layers:
        layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels, width, side = width, min(2 * width, 4 * settings.discriminator_width), side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side**2, 1))
