"""Data sets in three parts: training, selection and report. Nothing is downloaded.

Legend: N images, C colours, H and W pixels. Pixels are uint8 0..255, scaled to -1..1 for networks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor

from gan.data import photos
from gan.data.beside import canvases_of, padded
from gan.data.files import DataError, RawImages, read, read_npz, scaled
from training.settings import check_kinds

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Part = Literal["select", "report"]  # held-out parts
DIGITS = Path(__file__).with_name("digits.npz")
FASHION = Path("/usr/share/datasets/fashion-mnist")  # of Debian's dataset-fashion-mnist
SELECT, REPORT = 0.1, 0.2  # shares of the held-out parts
SPLIT_SEED = 20_140_610  # the split does not depend on the run
FEWEST = 8  # minimum images per part


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Source and form of the images."""

    source: Annotated[str, tyro.conf.arg(aliases=["--data"])] = "digits"
    """digits, fashion, photos, game:NAME (frames of random play), game:RUN_DIR (frames of that run's policy),
    clips:NAME or clips:RUN_DIR (eight colour frames each), or the path of an npz file, a folder of images or of IDX
    files."""
    size: int = 0
    """Side in pixels. Digits, fashion and pictures of folders (cropped to squares) are scaled, 0 leaves them unchanged;
    frames of games have 64 by default. Own arrays (npz, IDX) are never scaled; photos and clips have a fixed size."""
    stack: int = 1  # grayscale images per stack: 3 digits as RGB have 1,000 classes
    beside: int = 1  # adjacent images of one class per canvas, without label

    def __post_init__(self) -> None:
        check_kinds(self, "data")
        if self.size < 0 or min(self.stack, self.beside) != 1:
            raise ValueError("data.size must be 0 or more, data.stack and data.beside 1 or more, one of the two 1")
        if self.size and (self.source == "photos" or self.source.startswith("clips:")):
            raise ValueError(f"data.size is {self.size}: {self.source} comes in one size, use 0")


@dataclass(frozen=True, eq=False)
class Split:
    """Images with optional classes."""

    images: Pixels  # [N, C, H, W]
    labels: Labels | None  # [N], 0 .. classes - 1
    groups: Labels | None = None  # [N] such as episodes, if known

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: NDArray[Any]) -> Split:
        """Return the images of `index` [n], or for [n, s] stacks of s images: [n, s C, H, W].

        The class of a stack has the single classes as decimal digits, that of the first image in front.
        """
        images = self.images[index]
        labels = None if self.labels is None else self.labels[index]
        if index.ndim == 2:
            images = images.reshape(len(index), -1, *self.images.shape[2:])
            if labels is not None:
                labels = labels @ 10 ** np.arange(index.shape[1])[::-1]
        return Split(images, labels, None if self.groups is None or index.ndim == 2 else self.groups[index])


@dataclass(frozen=True, eq=False)
class Images:
    """A data set in three disjoint parts."""

    name: str
    train: Split
    select: Split
    report: Split
    stack: int = 1
    beside: int = 1
    singles: Images | None = None  # of canvases: their single images, with classes

    @property
    def classes(self) -> int:
        """Number of classes of a single image; 0 for images without labels."""
        return 0 if self.train.labels is None else 1 + int(self.train.labels.max())

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of generated images."""
        _, colours, height, width = self.train.images.shape
        return colours * self.stack, height, width

    def held_out(self, part: Part) -> Split:
        """Return a held-out part."""
        return self.select if part == "select" else self.report

    def digest(self) -> str:
        """Return the SHA-256 of all pixels and labels."""
        digest = hashlib.sha256()
        for part in (self.train, self.select, self.report):
            digest.update(repr(part.images.shape).encode() + part.images.tobytes())
            digest.update(b"" if part.labels is None else part.labels.tobytes())
        return digest.hexdigest()


def load(settings: DataSettings) -> Images:
    """Load the images of the settings.

    Raises:
        DataError: they are missing, damaged, too few or of several sizes; the message names the remedy.
    """
    if settings.source == "digits":
        images = split("digits", scaled(digits(), settings.size))
    elif settings.source == "photos":
        select, report = (Split(photos.photo_tiles(names)[0], None) for names in (photos.SELECT, photos.REPORT))
        images = Images("photos", Split(*photos.photo_tiles(photos.TRAIN)), select, report)
    elif settings.source == "fashion":
        if not FASHION.is_dir():
            raise DataError("no Fashion-MNIST on this machine: apt install dataset-fashion-mnist, or use digits")
        images = split("fashion", scaled(read(FASHION, 0), settings.size))
    else:
        images = split(Path(settings.source).name, read(Path(settings.source), settings.size))
    if settings.beside > 1:
        return beside(images, settings.beside)
    if settings.stack > 1 and (images.shape[0] != 1 or images.classes > 10):
        raise DataError("data.stack needs images of one colour and at most 10 classes: use digits or fashion")
    return replace(images, stack=settings.stack)


def beside(images: Images, count: int) -> Images:
    """Convert to canvases of `count` images of one class, without labels; parts stay disjoint.

    Raises:
        DataError: images have no classes, or a class has too few images.
    """
    parts = [Split(padded(part.images), part.labels) for part in (images.train, images.select, images.report)]
    train, select, report = (Split(canvases_of(part.images, part.labels, count, SPLIT_SEED), None) for part in parts)
    return Images(images.name, train, select, report, 1, count, Images(images.name, parts[0], parts[1], parts[2]))


def digits() -> RawImages:
    """Return 5,000 digits of MNIST, 500 per class, sorted by class, which ship with this package (see NOTICE)."""
    return read_npz(DIGITS)


def split(name: str, found: RawImages) -> Images:
    """Split into three parts, by group if images have groups, else stratified by class.

    A separate test set becomes the report part.

    Raises:
        DataError: a part would have fewer than 8 images, or labels do not count up from 0.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    labels, groups = found.labels, found.groups
    if labels is not None:
        kinds = np.unique(labels)
        if (kinds != np.arange(len(kinds))).any():
            raise DataError(f"the labels of {name} are not 0 .. {len(kinds) - 1}: number the classes from 0")
    whole = Split(found.images, labels, groups)
    strata = [np.arange(len(whole))] if labels is None else [np.flatnonzero(labels == c) for c in kinds]
    if groups is not None:
        chosen = _cut(rng.permutation(np.unique(groups)), own_test=found.test is not None)
        index = [rng.permutation(np.flatnonzero(np.isin(groups, part))) for part in chosen]
    else:
        cuts = [_cut(rng.permutation(stratum), own_test=found.test is not None) for stratum in strata]
        index = [rng.permutation(np.concatenate(parts)) for parts in zip(*cuts, strict=True)]
    parts = [whole.take(part) for part in index]
    if found.test is not None:
        parts[2] = Split(found.test.images, found.test.labels).take(rng.permutation(len(found.test.images)))
    if min(map(len, parts)) < FEWEST:
        sizes = "/".join(str(len(part)) for part in parts)
        raise DataError(f"{name} splits into {sizes} images (train/select/report), {FEWEST} each are needed: add more")
    return Images(name, parts[0], parts[1], parts[2])


def _cut(order: NDArray[Any], own_test: bool) -> list[NDArray[Any]]:
    select, report = round(SELECT * len(order)), 0 if own_test else round(REPORT * len(order))
    return [order[select + report :], order[:select], order[select : select + report]]


def to_float(images: Tensor) -> Tensor:
    """Convert uint8 0..255 to float32 -1..1."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Convert float -1..1 to uint8 0..255, rounded."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
