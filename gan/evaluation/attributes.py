"""What can be measured on images of bright strokes: how wide they are, how far they lean. Legend: N images."""

from __future__ import annotations

import numpy as np

from gan.data.images import Pixels
from gan.evaluation.metrics import Array

LEAST = 1e-9  # an empty image has a width and a slant of 0


def ink_of(images: Pixels) -> Array:
    """uint8 [N, C, H, W] -> [N, H, W] in 0..1, the mean of all colours."""
    found: Array = images.astype(np.float64).mean(1) / 255
    return found


def stroke_width(images: Pixels) -> Array:
    """Mean width [N] of bright strokes in pixels, of uint8 [N, C, H, W]: twice the ink over the length of its contour.

    A stroke of length l and width w has l w ink within a contour of 2 (l + w): what is found is l w / (l + w), and w
    itself for a ring. The contour of grey ink is its total variation, by slopes in the middle of each four pixels.
    """
    ink = ink_of(images)
    area = ink.sum((1, 2))
    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    down, right = np.diff(padded, axis=1), np.diff(padded, axis=2)
    slopes = (down[:, :, 1:] + down[:, :, :-1]) / 2, (right[:, 1:] + right[:, :-1]) / 2
    contour = np.hypot(*slopes).sum((1, 2))
    found: Array = 2 * area / np.maximum(contour, LEAST)
    return found


def slant(images: Pixels) -> Array:
    """How many columns strokes lean to the right for each row upward [N], of uint8 [N, C, H, W].

    By moments: the covariance of columns and rows over the variance of rows, each weighed by its ink. What is upright
    and is then sheared by s has a slant of s.
    """
    ink = ink_of(images)
    weight = ink / np.maximum(ink.sum((1, 2), keepdims=True), LEAST)
    rows, columns = (np.arange(size, dtype=np.float64) for size in ink.shape[1:])
    row, column = weight.sum(2) @ rows, weight.sum(1) @ columns
    both = np.einsum("nhw,h,w->n", weight, rows, columns) - row * column
    found: Array = -both / np.maximum(weight.sum(2) @ rows**2 - row**2, LEAST)
    return found


MEASURES = {"stroke width": stroke_width, "slant": slant}
