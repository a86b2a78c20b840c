"""Image observations of third-party envs, converted to frames for networks. Legend: E envs, H, W pixels, C colours.

Frames are cut into 4x4 blocks later, so sides are padded to multiples of 4, with black pixels at the right and bottom.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
SIDE = 4  # of a block
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


class ImageFrames:
    """Conversion of observed images [E, H, W] or [E, H, W, C] to frames of one shape.

    Args:
        shape: (H, W) or (H, W, C) of an observation.
        size: side of the square that images are scaled to; 0 for no scaling.
        grayscale: convert colours to grayscale.

    Raises:
        ValueError: `grayscale` is set, and images have other than 1 or 3 colours.
    """

    def __init__(self, shape: tuple[int, ...], size: int, *, grayscale: bool) -> None:
        colours = shape[2] if len(shape) == 3 else 1
        if grayscale and colours not in (1, 3):
            raise ValueError(f"--grayscale weighs 3 colours, and these images have {colours}: leave it out")
        self.size, self.grayscale, self.colours = size, grayscale and colours == 3, colours
        height, width = (size, size) if size else shape[:2]
        self.sides = height, width
        padded = _padded(height), _padded(width)
        self.frame_shape: tuple[int, ...] = padded if colours == 1 or self.grayscale else (*padded, colours)

    def __call__(self, image: Pixels) -> Pixels:
        """Convert images [E, H, W] or [E, H, W, C] to frames [E, *frame_shape]."""
        if image.ndim == 4 and self.colours == 1:
            image = image[..., 0]
        if self.grayscale:
            image = np.rint(image @ LUMA).astype(np.uint8)
        if self.size:
            image = np.stack([self._scaled(one) for one in image])
        frame = np.zeros((len(image), *self.frame_shape), np.uint8)
        frame[:, : self.sides[0], : self.sides[1]] = image
        return frame

    def _scaled(self, image: Pixels) -> Pixels:
        """Scale an image with Pillow's box filter (the mean of the covered pixels), one colour at a time."""
        planes = image[..., None] if image.ndim == 2 else image
        sides = (self.size, self.size)
        scaled = [
            np.asarray(Image.fromarray(np.ascontiguousarray(planes[..., c])).resize(sides, Image.Resampling.BOX))
            for c in range(planes.shape[-1])
        ]
        return np.stack(scaled, -1) if image.ndim == 3 else scaled[0]


def is_image(shape: tuple[int, ...], dtype: Any) -> bool:
    """Return whether observations of this shape and dtype are images."""
    return len(shape) in (2, 3) and np.dtype(dtype) == np.uint8


def _padded(side: int) -> int:
    return -(-side // SIDE) * SIDE
