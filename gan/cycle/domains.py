"""Two unpaired domains: their images, and the accuracy of translations between them.

Legend: N images, C colours, H and W pixels; pixels are uint8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan.data.files import DataError, RawImages
from gan.data.images import Images, Part, Pixels, Split, split

Second = Literal["small_digits", "striped", "inverted", "mirrored"]
DIGITS = 10  # classes
STRIPE = 6  # width of a diagonal stripe in pixels, along a row
LIGHT = 64  # levels added by a bright stripe
INK = 24  # minimum difference in levels from the background where something moves
RIGHT = 24  # maximum error in levels of a right pixel


class Domains(NamedTuple):
    """Two domains with unrelated training images."""

    first: Images
    second: Images

    def to_show(self, part: Part, count: int) -> Pixels:
        """Return `count` images of a part of each domain [2, count, C, H, W], repeated if there are fewer."""
        both = [domain.held_out(part).images for domain in self]
        return np.stack([images[np.resize(np.arange(len(images)), count)] for images in both])


def domains_of(data: Images, second: Second) -> Domains:
    """Return the images as first domain, and a second one that shares no training images with it.

    Images with groups, such as frames of episodes, are split by group, others alternately (they are in random order).
    Held-out images are the same in both domains, except for small digits, a data set of its own.

    Raises:
        DataError: small digits do not fit the images, which have colours or other classes.
    """
    if second == "small_digits":
        if data.classes != DIGITS:
            raise DataError(
                f"{data.name} has {data.classes} classes, and second small_digits are {DIGITS} digits: use digits, or "
                "--second striped"
            )
        return Domains(data, small_digits(data.shape))
    halves = [replace(data, train=data.train.take(rows)) for rows in _dealt(data.train)]
    return Domains(halves[0], _all(halves[1], f"{data.name}, {second}", lambda images: moved(images, second)))


def undone(data: Images, second: Second) -> Images:
    """Convert second-domain images to the first domain."""
    return _all(data, f"{data.name}, undone", lambda images: moved_back(images, second))


def _all(data: Images, name: str, change: Callable[[Pixels], Pixels]) -> Images:
    train, select, report = (
        replace(part, images=change(part.images)) for part in (data.train, data.select, data.report)
    )
    return Images(name, train, select, report)


def _dealt(part: Split) -> list[NDArray[np.int64]]:
    """Return row indices of two halves that share no group."""
    of = np.arange(len(part)) if part.groups is None else np.unique(part.groups, return_inverse=True)[1]
    return [np.flatnonzero(of % 2 == half) for half in (0, 1)]


def small_digits(shape: tuple[int, int, int]) -> Images:
    """Return scikit-learn's 1,797 digits of 8x8 pixels and 17 levels, with labels, enlarged to images [N, 1, H, W].

    They fill as much of the image as MNIST's, five sevenths of each side.

    Raises:
        DataError: the first domain's images have colours.
    """
    colours, height, width = shape
    if colours != 1:
        raise DataError(f"second small_digits is gray, and these images have {colours} colours: use digits")
    from sklearn.datasets import load_digits  # takes a second, and is not needed by other domains

    found = load_digits()
    images = enlarged(np.rint(found.images * 255 / 16).astype(np.uint8), height, width)
    return split("small digits", RawImages(images, found.target.astype(np.int64)))


def enlarged(small: Pixels, height: int, width: int) -> Pixels:
    """Enlarge [N, h, w] -> [N, 1, height, width], bilinearly, to five sevenths of each side."""
    top, left = height // 7, width // 7
    images = np.zeros((len(small), 1, height, width), np.uint8)
    for image, each in zip(images, small, strict=True):
        large = Image.fromarray(each).resize((width - 2 * left, height - 2 * top), Image.Resampling.BILINEAR)
        image[0, top : height - top, left : width - left] = np.asarray(large)
    return images


def moved(images: Pixels, second: Second) -> Pixels:
    """Convert images [..., H, W] to the second domain: 3/4 of the contrast, plus diagonal stripes.

    inverted: also with dark and bright swapped. mirrored: also with left and right swapped.
    """
    shown = 255 - images if second == "inverted" else images
    shown = shown[..., ::-1] if second == "mirrored" else shown
    faint = shown.astype(np.int64) * 3 // 4 + _stripes(images)
    return faint.astype(np.uint8)


def moved_back(images: Pixels, second: Second) -> Pixels:
    """Invert `moved` for images [..., H, W], up to an error of one level."""
    plain = np.rint((images.astype(np.int64) - _stripes(images)) * 4 / 3).clip(0, 255).astype(np.uint8)
    shown: Pixels = 255 - plain if second == "inverted" else plain
    return np.ascontiguousarray(shown[..., ::-1]) if second == "mirrored" else shown


def _stripes(images: Pixels) -> NDArray[np.int64]:
    """Return the stripes [H, W], values 0 and 64."""
    rows, columns = np.indices(images.shape[-2:])
    return np.asarray((rows + columns) // STRIPE % 2 * LIGHT, np.int64)


def drawn_right(found: Pixels, truth: Pixels, background: Pixels) -> float:
    """Return the share of right pixels where `truth` [N, C, H, W] differs from the `background` image [C, H, W].

    Those pixels are few (a ball, two paddles); all the others are right in a constant picture, too.
    """
    there = np.abs(truth.astype(np.int64) - background) >= INK
    right = np.abs(found.astype(np.int64) - truth) <= RIGHT
    return float(right[there].mean()) if there.any() else 1.0


def usual_of(part: Split) -> Pixels:
    """Return the median image [C, H, W] of a part: the background."""
    background: Pixels = np.median(part.images, axis=0).astype(np.uint8)
    return background
