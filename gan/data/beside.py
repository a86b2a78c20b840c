"""Images of one class side by side as one canvas: what is drawn at its left end must fit what is drawn at its right.

Legend: N images, s of them on a canvas, C colours, H and W pixels of a single one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan.data.files import DataError

ROUNDS = 4  # canvases that an image stands on at each place
SIDE = 8  # sides grow to a multiple of this by ground, 28 to 32, so that they can be halved down to 4


def canvases_of(
    images: NDArray[np.uint8], labels: NDArray[np.int64] | None, count: int, seed: int
) -> NDArray[np.uint8]:
    """Images [N, C, H, W] of classes [N] -> canvases [4 N, C, H, count W], each of `count` images of one class.

    Raises:
        DataError: images have no classes, or a class has fewer than a canvas.
    """
    if labels is None:
        raise DataError("data.beside puts images of one class together, and these have none: give labels")
    index = of_one_class(labels, count, seed)
    return side_by_side(images[index].reshape(len(index), -1, *images.shape[2:]), count)


def of_one_class(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Classes [N] -> canvases [4 N, count], each of `count` different images of one class, in random order.

    Raises:
        DataError: a class has fewer images than a canvas.
    """
    rng, found = np.random.default_rng(seed), list[NDArray[np.int64]]()
    for kind in np.unique(labels):
        members = np.flatnonzero(labels == kind)
        if len(members) < count:
            raise DataError(f"class {kind} has {len(members)} images in a part, a canvas wants {count}: add more")
        for _ in range(ROUNDS):
            order = rng.permutation(members)
            found.append(np.stack([np.roll(order, place) for place in range(count)], 1))
    return rng.permutation(np.concatenate(found))


def padded(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[N, C, H, W] -> sides that are multiples of 8, the image in the middle of black ground."""
    gaps = [-side % SIDE for side in images.shape[2:]]
    return np.pad(images, ((0, 0), (0, 0), *((gap // 2, gap - gap // 2) for gap in gaps)))


def side_by_side(stacks: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """`count` images over each other [N, s C, H, W] -> as one canvas [N, C, H, s W]."""
    return np.concatenate(np.split(stacks, count, 1), 3)


def over_each_other(canvases: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Inverse of `side_by_side`."""
    return np.concatenate(np.split(canvases, count, 3), 1)
