"""Both networks. Legend: B images, C colours, T frames of a clip, K low frames seen at once, h and w low pixels.

The generator computes on the low grid (Shi et al. 2016), which has a quarter of the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.data.images import Pixels, to_float
from gan.shapes import Shape
from gan.upscale.lowering import JITTER, SCALE, interleave, resized, sampled
from training.settings import check_kinds

EXAMPLES = 4  # true images stored in a generator, for its grids
AREA = SCALE**2
AROUND = 3  # side of the neighbourhood of newest samples that are candidates for a pixel
TRUST = 6.0  # initial logit of the interleaved samples, which an untrained network thus returns


@dataclass(frozen=True, kw_only=True)
class UpscaleNetworkSettings:
    """Size of both networks, and inputs of the generator."""

    width: int = 24  # channels of the generator
    blocks: int = 5
    discriminator_width: int = 24  # channels after the first layer, doubled by each further one up to 4 times
    seen: int = 1  # K: low frames of a clip as input, including the newest; 1 or 4
    previous: bool = False  # whether the last output is an input, too

    def __post_init__(self) -> None:
        check_kinds(self, "network")
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
        """Map [B, width, h, w] -> the same shape."""
        found: Tensor = x + self.body(x)
        return found


def varied(images: Pixels, count: int) -> Pixels:
    """Return the `count` images of [N, C, H, W] with the largest standard deviation of pixels, in their order."""
    return images[np.sort(np.argsort(images.std((1, 2, 3)))[::-1][:count])]


class Upscaler(nn.Module):
    """Predicts the residual of the bicubic image for photographs, and weights of known pixels for frames.

    A pixel of a frame is a weighted mean of candidates: the interleaved sample, the last output, and the newest samples
    around it (kernel prediction, Bako et al. 2017). Games have few colours, and where all candidates agree the weights
    do not matter. An untrained network gives the interleaved sample nearly all the weight.
    """

    latent = 0  # its inputs are images instead of noise
    normalised = False
    embedding: nn.Embedding | None = None
    examples: Tensor  # uint8 [4, C, T H, W]

    def __init__(self, settings: UpscaleNetworkSettings, shape: Shape, frames: int) -> None:
        super().__init__()
        self.settings, self.frames, colours = settings, frames, shape[0]
        self.register_buffer("examples", torch.zeros(EXAMPLES, *shape, dtype=torch.uint8))
        inputs, outputs = colours, colours * AREA
        if frames > 1:
            inputs = colours * (AREA * (1 + settings.previous) + 2) + len(JITTER)
            outputs = AREA * (1 + settings.previous + AROUND**2)
        self.head = nn.Conv2d(inputs, settings.width, 3, 1, 1)
        self.body = nn.Sequential(
            *(Block(settings.width) for _ in range(settings.blocks)), nn.Conv2d(settings.width, settings.width, 3, 1, 1)
        )
        self.tail = nn.Conv2d(settings.width, outputs, 3, 1, 1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        if frames > 1:
            nn.init.constant_(self.tail.bias[:AREA], TRUST)  # type: ignore[index]

    def forward(self, small: Tensor, label: None = None) -> Tensor:
        """Map low images uint8 [B, T, C, h, w] -> large ones [B, T, C, 2h, 2w], about -1..1; frames in sequence."""
        if self.frames == 1:
            low = to_float(small[:, 0])
            return (resized(low, SCALE) + F.pixel_shuffle(self.forward_features(low), SCALE))[:, None]
        found: list[Tensor] = []
        for time, last in enumerate(interleave(small, self.settings.seen).unbind(1)):
            found.append(self.frame(last, time, found[-1].detach() if found else None))
        return torch.stack(found, 1)

    def frame(self, last: Tensor, time: int, previous: Tensor | None) -> Tensor:
        """Return the next frame of a clip, [B, C, 2h, 2w].

        Args:
            last: uint8 [B, 4 C, h, w], the interleaved samples at this time (`gan.upscale.lowering.interleave`).
            time: number of earlier frames, which determines the place that was sampled last.
            previous: the last output, [B, C, 2h, 2w]; None for the first frame.
        """
        given = to_float(last)
        base = F.pixel_shuffle(given, SCALE)
        before = base if previous is None or not self.settings.previous else previous
        newest = sampled(base, time)
        which = torch.zeros(len(given), len(JITTER), *given.shape[2:], device=given.device)
        which[:, time % len(JITTER)] = 1
        seen = [given]
        if self.settings.previous:
            seen.append(F.pixel_unshuffle(before, SCALE))
        weights = self.forward_features(torch.cat([*seen, newest, newest - sampled(before, time), which], 1))
        return F.pixel_shuffle(mean_of(seen, newest, weights), SCALE)

    def forward_features(self, given: Tensor) -> Tensor:
        """Apply the layers: inputs [B, ., h, w] -> [B, ., h, w] float32."""
        x = F.relu(self.head(given))
        found: Tensor = self.tail(x + self.body(x))
        return found.float()


def mean_of(seen: list[Tensor], newest: Tensor, weights: Tensor) -> Tensor:
    """Return weighted means of the candidates of each pixel, in the order of a pixel shuffle: [B, 4 C, h, w].

    Args:
        seen: M images [B, 4 C, h, w]; a candidate is the pixel at the same place of each.
        newest: [B, C, h, w]; candidates are the nine pixels around the place.
        weights: logits [B, 4 (M + 9), h, w]: for each candidate those of the four pixels.
    """
    count, _, height, width = newest.shape
    shares = weights.view(count, -1, 1, AREA, height, width).softmax(1)  # [B, M + 9, 1, 4, h, w]
    side = F.pad(newest, [AROUND // 2] * 4, mode="replicate")
    places = [(row, column) for row in range(AROUND) for column in range(AROUND)]
    near = [side[:, :, None, row : row + height, column : column + width] for row, column in places]
    candidates = [image.view(count, -1, AREA, height, width) for image in seen] + near  # each [B, C, 4 or 1, h, w]
    # Not a matrix product, since autocast would round it, and thus the selected pixels, to bfloat16.
    mixed = [share * image for share, image in zip(shares.unbind(1), candidates, strict=True)]
    return torch.stack(mixed).sum(0).flatten(1, 2)


def discriminator(settings: UpscaleNetworkSettings, colours: int, side: int) -> nn.Module:
    """Create a network of images [B, C, side, side] -> logits [B, 1], with stride-2 convolutions down to 6 pixels."""
    layers: list[Any] = []
    channels, width = colours, settings.discriminator_width
    while side > 6 or not layers:
        layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels, width, side = width, min(2 * width, 4 * settings.discriminator_width), side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side**2, 1))
