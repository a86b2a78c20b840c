"""How small images come from large ones, and the two baselines back. Legend: B images, C colours, T frames of a clip.

Large images are uint8 [B, C, T H, W], the frames of a clip one under another, T = 1 for a photograph; small ones are
[B, T, C, H / 2, W / 2].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gan.data.images import to_float, to_uint8

SCALE = 2
JITTER = ((0, 0), (1, 1), (0, 1), (1, 0))  # (row, column) that frame t samples in every 2x2 square, by t mod 4


def clips(images: Tensor, frames: int) -> Tensor:
    """[B, C, T H, W] -> [B, T, C, H, W]."""
    count, colours, height, width = images.shape
    return images.view(count, colours, frames, height // frames, width).transpose(1, 2)


def stacked(found: Tensor) -> Tensor:
    """Inverse of `clips`."""
    count, frames, colours, height, width = found.shape
    return found.transpose(1, 2).reshape(count, colours, frames * height, width)


def lower(images: Tensor, frames: int) -> Tensor:
    """What the generator is given of large images uint8 [B, C, T H, W]: uint8 [B, T, C, H / 2, W / 2].

    A photograph is made smaller by the cubic kernel with a = -0.5, widened to four pixels of the small image so that
    nothing aliases, and rounded, as a picture file would be. A frame of a clip is sampled: one pixel of every
    square of four, another one at each of four times.
    """
    if frames == 1:
        return to_uint8(resized(to_float(images), 1 / SCALE))[:, None]
    times = clips(images, frames).unbind(1)
    return torch.stack([sampled(frame, time) for time, frame in enumerate(times)], 1)


def sampled(frame: Tensor, time: int) -> Tensor:
    """One pixel of every square of four of a frame [..., H, W], the one whose turn it is -> [..., H / 2, W / 2]."""
    row, column = JITTER[time % len(JITTER)]
    return frame[..., row::SCALE, column::SCALE]


def woven(small: Tensor, seen: int) -> Tensor:
    """The newest sample of each of a square's four places: small frames [B, T, C, h, w] -> [B, T, 4 C, h, w].

    In the order of a pixel shuffle, which makes the frame itself of them wherever nothing has moved. Places that were
    not sampled yet have the oldest sample; with `seen` 1 all have the newest.
    """
    places = [small[:, 0]] * SCALE**2
    found = []
    for time, new in enumerate(small.unbind(1)):
        row, column = JITTER[time % len(JITTER)]
        places[row * SCALE + column] = new
        found.append(torch.stack([new] * SCALE**2 if seen == 1 else places, 2).flatten(1, 2))
    return torch.stack(found, 1)


def skipped(frames: int) -> int:
    """Frames at the beginning of a clip that do not count: some place was not sampled before them."""
    return min(len(JITTER), frames) - 1


def resized(images: Tensor, scale: float) -> Tensor:
    """Float [B, C, H, W] -> [B, C, scale H, scale W] by the cubic kernel with a = -0.5 (Keys 1981), pillow's."""
    return F.interpolate(images, scale_factor=scale, mode="bicubic", align_corners=False, antialias=True)


def enlarged(small: Tensor, mode: str) -> Tensor:
    """A baseline, "bicubic" or "nearest": uint8 [B, T, C, h, w] -> uint8 [B, C, T 2h, 2w], each frame by itself."""
    flat = to_float(small.flatten(0, 1))
    large = resized(flat, SCALE) if mode == "bicubic" else F.interpolate(flat, scale_factor=SCALE, mode="nearest")
    return stacked(to_uint8(large).view(*small.shape[:3], *large.shape[2:]))
