"""Schedule of progressive growing: the level after a number of images, and real images at a level.

Legend: B batch, C colours, H and W pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class GrowthSettings:
    """Sizes are trained one after another; the last one until the end."""

    stages: int = 3  # 3 for 7, 14 and 28 pixels; 1 trains all layers at the last size from the start
    stable_images: int = 100_000  # at each smaller size, before the next one starts
    fade_images: int = 100_000  # over which the layers of a size are faded in

    def __post_init__(self) -> None:
        check_kinds(self, "growth")
        if self.stages < 1 or min(self.stable_images, self.fade_images) < 0:
            raise ValueError("growth.stages must be 1 or more, stable_images and fade_images 0 or more")

    @property
    def images(self) -> int:
        """Number of images after which the last size is faded in."""
        return (self.stages - 1) * (self.stable_images + self.fade_images)


def level_at(images: int, growth: GrowthSettings, top: int) -> float:
    """Return the level after `images` images: constant, then a linear rise by 1, and so on up to `top`, the last.

    Appendix A.1: a size is trained for 800,000 images, then the next one is faded in over as many.
    """
    start, after = top - (growth.stages - 1), images - growth.stable_images
    if growth.stages == 1 or after < 0:
        return float(start)
    period = growth.fade_images + growth.stable_images
    stages, rest = divmod(after, period) if period else (growth.stages, 0)
    share = min(1.0, rest / growth.fade_images) if growth.fade_images else 1.0
    return min(float(top), start + stages + share)


def real_at(images: Tensor, level: float, top: int) -> Tensor:
    """Downsample real images [B, C, H, W] of the last size to those of a level; finer details are faded in, too."""
    size = math.ceil(level)
    small = downsample(images, top - size)
    return blend(upsample(downsample(small)), small, level - (size - 1)) if level < size else small


def upsample(images: Tensor, times: int = 1) -> Tensor:
    """Enlarge by nearest neighbours: [B, C, H, W] -> [B, C, H 2^times, W 2^times]."""
    return F.interpolate(images, scale_factor=2**times, mode="nearest") if times else images


def downsample(images: Tensor, times: int = 1) -> Tensor:
    """Average 2x2 pixels, `times` times: [B, C, H, W] -> [B, C, H / 2^times, W / 2^times]."""
    return F.avg_pool2d(images, 2**times) if times else images


def blend(old: Tensor, new: Tensor, share: float) -> Tensor:
    """Interpolate linearly, from `old` at share 0 to `new` at 1, to fade layers in (figure 2)."""
    return torch.lerp(old, new, share)
