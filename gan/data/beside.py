"""Canvases of adjacent images of one class, whose distant parts must be consistent.

Legend: N images, s images per canvas, C colours, H and W pixels of a single image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan.data.files import DataError

ROUNDS = 4  # canvases per image and place
SIDE = 8  # sides are padded to a multiple of this (28 to 32), so that they can be halved down to 4


def canvases_of(
    images: NDArray[np.uint8], labels: NDArray[np.int64] | None, count: int, seed: int
) -> NDArray[np.uint8]:
    """Combine images [N, C, H, W] of classes [N] to canvases [4 N, C, H, count W] of `count` images of one class.

    Raises:
        DataError: images have no classes, or a class has fewer than `count` images.
    """
    if labels is None:
        raise DataError("data.beside puts images of one class together, and these have none: give labels")
    index = of_one_class(labels, count, seed)
    return side_by_side(images[index].reshape(len(index), -1, *images.shape[2:]), count)


def of_one_class(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Return indices [4 N, count] of canvases with `count` different images of one class, in random order.

    Raises:
        DataError: a class has fewer than `count` images.
    """
    rng, found = np.random.default_rng(seed), list[NDArray[np.int64]]()
    for kind in np.unique(labels):
        members = np.flatnonzero(labels == kind)
        if len(members) < count:
            raise DataError(f"class {kind} has {len(members)} images in a part, a canvas needs {count}: add more")
        for _ in range(ROUNDS):
            order = rng.permutation(members)
            found.append(np.stack([np.roll(order, place) for place in range(count)], 1))
    return rng.permutation(np.concatenate(found))


def padded(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pad images [N, C, H, W] with black to sides that are multiples of 8."""
    gaps = [-side % SIDE for side in images.shape[2:]]
    return np.pad(images, ((0, 0), (0, 0), *((gap // 2, gap - gap // 2) for gap in gaps)))


def side_by_side(stacks: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Convert stacks [N, s C, H, W] of `count` images to canvases [N, C, H, s W]."""
    return np.concatenate(np.split(stacks, count, 1), 3)


def over_each_other(canvases: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Invert `side_by_side`."""
    return np.concatenate(np.split(canvases, count, 3), 1)
