"""Attributes of images of bright strokes: width and slant. Legend: N images."""

from __future__ import annotations

import numpy as np

from gan.data.images import Pixels
from gan.evaluation.metrics import Array

LEAST = 1e-9  # gives empty images a width and slant of 0


def ink_of(images: Pixels) -> Array:
    """Return the mean over colours of uint8 [N, C, H, W]: [N, H, W] in 0..1."""
    found: Array = images.astype(np.float64).mean(1) / 255
    return found


def stroke_width(images: Pixels) -> Array:
    """Return the mean stroke width [N] in pixels of uint8 [N, C, H, W]: twice the ink over the contour length.

    A stroke of length l and width w has l w ink within a contour of 2 (l + w): what is found is l w / (l + w), and w
    itself for a ring.
    """
    ink = ink_of(images)
    found: Array = 2 * ink.sum((1, 2)) / np.maximum(contour(ink), LEAST)
    return found


def contour(ink: Array) -> Array:
    """Return the contour length [N] of grey ink [N, H, W] in pixels: its total variation.

    The mean of two estimates: slopes in the middle of each four pixels are too small along thin slanted strokes, those
    between a pixel and its neighbours on two sides, for all four pairs of sides, too large along any slanted edge.
    """
    padded = np.pad(ink, ((0, 0), (2, 2), (2, 2)))
    down, right = np.diff(padded, axis=1), np.diff(padded, axis=2)
    middle = np.hypot((down[:, :, 1:] + down[:, :, :-1]) / 2, (right[:, 1:] + right[:, :-1]) / 2).sum((1, 2))
    sides = [
        np.hypot(vertical[:, :, 1:-1], horizontal[:, 1:-1]).sum((1, 2))
        for vertical in (down[:, 1:], down[:, :-1])
        for horizontal in (right[:, :, 1:], right[:, :, :-1])
    ]
    found: Array = (middle + np.mean(sides, 0)) / 2
    return found


def slant(images: Pixels) -> Array:
    """Return the slant [N] of strokes in uint8 [N, C, H, W]: columns to the right per row upward.

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
