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
    return torch.stack(
        [frame[..., y::SCALE, x::SCALE] for frame, (y, x) in zip(times, jitters(frames), strict=True)], 1
    )


def jitters(frames: int) -> list[tuple[int, int]]:
    """Where each frame of a clip is sampled."""
    return [JITTER[time % len(JITTER)] for time in range(frames)]


def resized(images: Tensor, scale: float) -> Tensor:
    """Float [B, C, H, W] by the cubic kernel with a = -0.5 (Keys 1981), which is pillow's, to [B, C, scale H, scale W]."""
    return F.interpolate(images, scale_factor=scale, mode="bicubic", align_corners=False, antialias=True)


def enlarged(small: Tensor, mode: str) -> Tensor:
    """A baseline, "bicubic" or "nearest": uint8 [B, T, C, h, w] -> uint8 [B, C, T 2h, 2w], each frame by itself."""
    flat = to_float(small.flatten(0, 1))
    large = resized(flat, SCALE) if mode == "bicubic" else F.interpolate(flat, scale_factor=SCALE, mode="nearest")
    return stacked(to_uint8(large).view(*small.shape[:3], *large.shape[2:]))
