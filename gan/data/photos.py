"""Photographs that come with scikit-image and scikit-learn, as tiles. Whole photographs are held out, never tiles.

Neither package is imported: their wheels are asked for the picture files that lie in them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan.data.files import DataError

SIDE = 96  # pixels of a tile, both ways
MOST = 64  # tiles of one photograph, those in its middle: the largest one would outweigh all others
FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
TRAIN = (
    "astronaut.png", "brick.png", "camera.png", "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg",
    "ihc.png", "moon.png", "motorcycle_left.png", "motorcycle_right.png", "retina.jpg",
)  # fmt: skip
SELECT = ("rocket.jpg", "flower.jpg")
REPORT = ("chelsea.png", "coffee.png", "china.jpg")
SKLEARN = ("flower.jpg", "china.jpg")  # the others are scikit-image's


def photo(name: str) -> NDArray[np.uint8]:
    """One photograph by its file's name, uint8 [3, H, W]; gray ones have three equal colours.

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
    """The middle of a picture [C, H, W] in squares [N, C, side, side] that share no pixel, at most 64 of them."""
    colours, height, width = picture.shape
    rows, columns = height // side, width // side
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    middle = picture[:, top : top + rows * side, left : left + columns * side]
    found = middle.reshape(colours, rows, side, columns, side).transpose(1, 3, 0, 2, 4)
    high, wide = min(rows, int(MOST**0.5)), min(columns, int(MOST**0.5))
    up, along = (rows - high) // 2, (columns - wide) // 2
    return found[up : up + high, along : along + wide].reshape(-1, colours, side, side)


def photo_tiles(names: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Tiles [N, 3, 96, 96] of photographs, and of which each is [N].

    Raises:
        DataError: scikit-image or scikit-learn is not installed, whichever a photograph lies in.
    """
    found = [tiles(photo(name)) for name in names]
    return np.concatenate(found), np.repeat(np.arange(len(names)), [len(each) for each in found])
