"""Two domains of the same images, and how well a generated pair fits together.

A pair is one image [C, H, 2 W]: the first domain's on the left, the second's on the right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gan.data.images import Images, Pixels, Split

Second = Literal["edges", "negatives"]
INK = 128  # pixels from here on are set once an image is made binary


class Domains(NamedTuple):
    """The same held-out images in both domains; of the training images, each domain has its half."""

    first: Images
    second: Images


def edges(images: Pixels) -> Pixels:
    """Each pixel's brightest neighbour in a 3x3 square less the pixel: uint8 [N, C, H, W] -> the same shape.

    The paper says "an edge detector"; this is the one of the code that its authors published.
    """
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    squares = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    found: Pixels = squares.max((4, 5)) - images
    return found


def negatives(images: Pixels) -> Pixels:
    """Black for white."""
    return 255 - images


def in_second(images: Pixels, second: Second) -> Pixels:
    """First-domain images as they look in the second."""
    return edges(images) if second == "edges" else negatives(images)


def pairs(images: Pixels, second: Second) -> Pixels:
    """True pairs [N, C, H, 2 W] of first-domain images [N, C, H, W]: to look at and to judge by, never to train on."""
    return np.concatenate([images, in_second(images, second)], 3)


def domains_of(data: Images, second: Second) -> Domains:
    """Training images are dealt out alternately (they lie in random order), so that no image is in both domains."""
    halves = [data.train.take(np.arange(start, len(data.train), 2)) for start in (0, 1)]
    other = whole_second(data, second)
    return Domains(replace(data, train=halves[0]), replace(other, train=_moved(halves[1], second)))


def whole_second(data: Images, second: Second) -> Images:
    """All images in the second domain: what its classifier learns from, and no GAN."""
    train, select, report = (_moved(part, second) for part in (data.train, data.select, data.report))
    return Images(f"{data.name}, {second}", train, select, report)


def _moved(part: Split, second: Second) -> Split:
    return Split(in_second(part.images, second), part.labels)


def agreement(found: Pixels, second: Second, shift: int = 0) -> float:
    """Share of pixels in which the right images of pairs [N, C, H, 2 W] agree with what the left ones should give.

    The left image is carried over by the true rule, both are made binary, and pixels are compared (section 4: the
    paper's pixel agreement ratio). `shift` compares each with the right image of another pair: what chance gives.
    """
    left, right = np.split(found, 2, 3)
    wanted: NDArray[np.bool_] = in_second(left, second) >= INK
    return float((wanted == (np.roll(right, shift, 0) >= INK)).mean())
