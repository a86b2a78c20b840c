"""Tiles of photographs of scikit-image and scikit-learn, split by photograph.

The packages are not imported; only their picture files are read.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan.data.files import DataError

SIDE = 96  # side of a tile in pixels
MOST = 64  # maximum central tiles per photograph, so that large ones do not dominate
FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
TRAIN = (
    "astronaut.png", "brick.png", "camera.png", "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg",
    "ihc.png", "moon.png", "motorcycle_left.png", "motorcycle_right.png", "retina.jpg",
)  # fmt: skip
SELECT = ("rocket.jpg", "flower.jpg")
REPORT = ("chelsea.png", "coffee.png", "china.jpg")
SKLEARN = ("flower.jpg", "china.jpg")  # the others are scikit-image's


def photo(name: str) -> NDArray[np.uint8]:
    """Read a photograph, uint8 [3, H, W]; gray ones have three equal channels.

    Raises:
        DataError: its package is not installed.
    """
    package = "sklearn" if name in SKLEARN else "skimage"
    found = find_spec(package)
    places = found.submodule_search_locations if found else None
    file = Path(places[0] if places else "", FOLDERS[package], name)
    if not file.is_file():
        wanted = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[package]
        raise DataError(f"no {name} on this machine: install {wanted} as pyproject.toml pins it")
    with Image.open(file) as image:
        return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def tiles(picture: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """Cut the centre of a picture [C, H, W] into at most `MOST` disjoint squares [N, C, side, side]."""
    colours, height, width = picture.shape
    rows, columns = height // side, width // side
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    middle = picture[:, top : top + rows * side, left : left + columns * side]
    found = middle.reshape(colours, rows, side, columns, side).transpose(1, 3, 0, 2, 4)
    high, wide = min(rows, int(MOST**0.5)), min(columns, int(MOST**0.5))
    up, along = (rows - high) // 2, (columns - wide) // 2
    return found[up : up + high, along : along + wide].reshape(-1, colours, side, side)


def photo_tiles(names: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return tiles [N, 3, 96, 96] of photographs, and the index of each tile's photograph [N].

    Raises:
        DataError: the package of a photograph is not installed.
    """
    found = [tiles(photo(name)) for name in names]
    return np.concatenate(found), np.repeat(np.arange(len(names)), [len(each) for each in found])
