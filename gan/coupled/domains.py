"""Two domains of the same images, and the agreement of generated pairs.

A pair is one image [C, H, 2 W]: the first domain's on the left, the second's on the right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gan.data.images import Images, Pixels, Split

Second = Literal["edges", "negatives"]
INK = 128  # threshold of binary images: pixels of this value and above are set


class Domains(NamedTuple):
    """Two domains with the same held-out images; each has its own half of the training images."""

    first: Images
    second: Images


def edges(images: Pixels) -> Pixels:
    """Return the maximum of each pixel's 3x3 square minus the pixel: uint8 [N, C, H, W] -> the same shape.

    The paper has "an edge detector"; this one is from the code that its authors published.
    """
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    squares = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    found: Pixels = squares.max((4, 5)) - images
    return found


def negatives(images: Pixels) -> Pixels:
    """Invert uint8 images."""
    return 255 - images


def in_second(images: Pixels, second: Second) -> Pixels:
    """Convert first-domain images to the second domain."""
    return edges(images) if second == "edges" else negatives(images)


def pairs(images: Pixels, second: Second) -> Pixels:
    """Return true pairs [N, C, H, 2 W] of first-domain images [N, C, H, W], for comparison only, never for training."""
    return np.concatenate([images, in_second(images, second)], 3)


def domains_of(data: Images, second: Second) -> Domains:
    """Split training images alternately (they are in random order), so that no image is in both domains."""
    halves = [data.train.take(np.arange(start, len(data.train), 2)) for start in (0, 1)]
    other = whole_second(data, second)
    return Domains(replace(data, train=halves[0]), replace(other, train=_moved(halves[1], second)))


def whole_second(data: Images, second: Second) -> Images:
    """Convert all images to the second domain; its training part is for the classifier, never for a GAN."""
    train, select, report = (_moved(part, second) for part in (data.train, data.select, data.report))
    return Images(f"{data.name}, {second}", train, select, report)


def _moved(part: Split, second: Second) -> Split:
    return Split(in_second(part.images, second), part.labels)


def agreement(found: Pixels, second: Second, shift: int = 0) -> float:
    """Return the share of pixels of pairs [N, C, H, 2 W] that agree: the paper's pixel agreement ratio (section 4).

    The left image is converted by the true rule, then both are made binary and compared. A `shift` other than 0
    compares each left image with the right one of another pair, which gives the chance level.
    """
    left, right = np.split(found, 2, 3)
    wanted: NDArray[np.bool_] = in_second(left, second) >= INK
    return float((wanted == (np.roll(right, shift, 0) >= INK)).mean())
