"""Area resampling of screens, as in the papers. Legend: N screens, H, W their pixels, S side of a frame."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray


class Area:
    """Shrinks uint8 [N, H, W] to uint8 [N, S, S]: every pixel is the mean of the area that it covers.

    The weights are periodic (210 rows to 84 are 42 times 5 rows to 2), so only one period is stored.
    """

    def __init__(self, height: int, width: int, side: int) -> None:
        self.side = side
        self.rows, self.columns = _period(height, side), _period(width, side)

    def __call__(self, screens: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Shrink screens; see the class."""
        across = screens.reshape(-1, self.columns.shape[1]).astype(np.float32) @ self.columns.T
        down = across.reshape(-1, self.rows.shape[1], self.side)
        shrunk = np.einsum("or,nrc->noc", self.rows, down)
        made: NDArray[np.uint8] = np.rint(shrunk).astype(np.uint8).reshape(len(screens), self.side, self.side)
        return made


def _period(pixels: int, side: int) -> NDArray[np.float32]:
    """Return the weights of one period, [side / g, pixels / g], for the greatest common divisor g."""
    shared = gcd(pixels, side)
    whole, made = pixels // shared, side // shared
    size = whole / made
    start = np.arange(made)[:, None] * size
    edge = np.arange(whole)[None]
    covered = np.minimum(edge + 1, start + size) - np.maximum(edge, start)
    weights: NDArray[np.float32] = (np.clip(covered, 0, 1) / size).astype(np.float32)
    return weights
