"""Downsampling, and two baselines of upscaling. Legend: B images, C colours, T frames of a clip.

Large images are uint8 [B, C, T H, W], the frames of a clip stacked vertically, T = 1 for photographs; small ones are
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
    """Split frames: [B, C, T H, W] -> [B, T, C, H, W]."""
    count, colours, height, width = images.shape
    return images.view(count, colours, frames, height // frames, width).transpose(1, 2)


def stacked(found: Tensor) -> Tensor:
    """Invert `clips`."""
    count, frames, colours, height, width = found.shape
    return found.transpose(1, 2).reshape(count, colours, frames * height, width)


def lower(images: Tensor, frames: int) -> Tensor:
    """Downsample large images uint8 [B, C, T H, W] -> inputs of the generator, uint8 [B, T, C, H / 2, W / 2].

    Photographs: the cubic kernel with a = -0.5, widened to four pixels of the small image against aliasing, and rounded
    as in a picture file. Clips: one pixel of every 2x2 square, a different one in each of four frames (`JITTER`).
    """
    if frames == 1:
        return to_uint8(resized(to_float(images), 1 / SCALE))[:, None]
    times = clips(images, frames).unbind(1)
    return torch.stack([sampled(frame, time) for time, frame in enumerate(times)], 1)


def sampled(frame: Tensor, time: int) -> Tensor:
    """Sample a frame [..., H, W] at the pixel of every 2x2 square that is due at `time` -> [..., H / 2, W / 2]."""
    row, column = JITTER[time % len(JITTER)]
    return frame[..., row::SCALE, column::SCALE]


def interleave(small: Tensor, seen: int) -> Tensor:
    """Interleave the newest sample of each place of a square: small frames [B, T, C, h, w] -> [B, T, 4 C, h, w].

    Channels are in the order of a pixel shuffle, which restores the frame where nothing has moved. Places that were not
    sampled yet have the first sample of the clip; with `seen` 1 all have the newest.
    """
    places = [small[:, 0]] * SCALE**2
    found = []
    for time, new in enumerate(small.unbind(1)):
        row, column = JITTER[time % len(JITTER)]
        places[row * SCALE + column] = new
        found.append(torch.stack([new] * SCALE**2 if seen == 1 else places, 2).flatten(1, 2))
    return torch.stack(found, 1)


def skipped(frames: int) -> int:
    """Return the number of first frames that are neither trained on nor scored: not all places are sampled by then."""
    return min(len(JITTER), frames) - 1


def resized(images: Tensor, scale: float) -> Tensor:
    """Resize float [B, C, H, W] -> [B, C, scale H, scale W] with Pillow's cubic kernel, a = -0.5 (Keys 1981)."""
    return F.interpolate(images, scale_factor=scale, mode="bicubic", align_corners=False, antialias=True)


def enlarged(small: Tensor, mode: str) -> Tensor:
    """Enlarge uint8 [B, T, C, h, w] -> uint8 [B, C, T 2h, 2w] by a baseline, "bicubic" or "nearest", frame by frame."""
    flat = to_float(small.flatten(0, 1))
    large = resized(flat, SCALE) if mode == "bicubic" else F.interpolate(flat, scale_factor=SCALE, mode="nearest")
    return stacked(to_uint8(large).view(*small.shape[:3], *large.shape[2:]))
