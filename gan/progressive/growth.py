"""How a progressive training grows: which level it is at after so many images, and what images are at that level.

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
    """Sizes that are trained one after another; the last one is trained to the end."""

    stages: int = 3  # 3 for 7, 14 and 28 pixels; 1 trains the last size alone, all layers from the beginning
    stable_images: int = 100_000  # at each smaller size, before the next one begins
    fade_images: int = 100_000  # in which a size's new layers are faded in

    def __post_init__(self) -> None:
        check_kinds(self, "growth")
        if self.stages < 1 or min(self.stable_images, self.fade_images) < 0:
            raise ValueError("growth.stages must be 1 or more, stable_images and fade_images 0 or more")

    @property
    def images(self) -> int:
        """After so many the last size has been faded in."""
        return (self.stages - 1) * (self.stable_images + self.fade_images)


def level_at(images: int, growth: GrowthSettings, top: int) -> float:
    """The level after so many images; `top` is the last size's. It stands still, rises by 1, stands still ...

    Appendix A.1: a size is trained for 800,000 images before the next one is faded in, over as many.
    """
    start, after = top - (growth.stages - 1), images - growth.stable_images
    if growth.stages == 1 or after < 0:
        return float(start)
    period = growth.fade_images + growth.stable_images
    stages, rest = divmod(after, period) if period else (growth.stages, 0)
    share = min(1.0, rest / growth.fade_images) if growth.fade_images else 1.0
    return min(float(top), start + stages + share)


def real_at(images: Tensor, level: float, top: int) -> Tensor:
    """Real images [B, C, H, W] of the last size as they are at a level; the finer details are faded in, too."""
    size = math.ceil(level)
    small = halved(images, top - size)
    return mixed(doubled(halved(small)), small, level - (size - 1)) if level < size else small


def doubled(images: Tensor, times: int = 1) -> Tensor:
    """Each pixel four times, or 4^times: [B, C, H, W] -> [B, C, H 2^times, W 2^times]."""
    return F.interpolate(images, scale_factor=2**times, mode="nearest") if times else images


def halved(images: Tensor, times: int = 1) -> Tensor:
    """Means of 2x2 pixels, `times` times over: [B, C, H, W] -> [B, C, H / 2^times, W / 2^times]."""
    return F.avg_pool2d(images, 2**times) if times else images


def mixed(old: Tensor, new: Tensor, share: float) -> Tensor:
    """`share` of the new beside the rest of the old: how layers are faded in (figure 2)."""
    return torch.lerp(old, new, share)
