"""Images to learn from, split once: to train on, to select by, to report. Nothing is downloaded.

Legend: N images, C colours, H and W pixels. Pixels are uint8 0..255; networks see them as -1..1.
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
Part = Literal["select", "report"]  # of those held out
DIGITS = Path(__file__).with_name("digits.npz")
FASHION = Path("/usr/share/datasets/fashion-mnist")  # where Debian's dataset-fashion-mnist lies
SELECT, REPORT = 0.1, 0.2  # shares held out
SPLIT_SEED = 20_140_610  # the split belongs to the data, not to a run
FEWEST = 8  # images that each part must have


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Which images."""

    source: Annotated[str, tyro.conf.arg(aliases=["--data"])] = "digits"
    """digits, fashion, photos, game:NAME (random play), game:RUN_DIR (that run's policy plays), clips:NAME or
    clips:RUN_DIR (eight frames in colour, one under another), or the path of an npz file, a folder of images or one of
    IDX files."""
    size: int = 0
    """Scale to this side, a folder's pictures cut to squares before; 0 takes them as they are. Of a game's frames the
    side, 64 by default. Arrays (npz, IDX) come as they are; photographs and clips have one size only."""
    stack: int = 1  # images of one colour laid over each other as one: 3 digits as RGB have 1,000 classes
    beside: int = 1  # different images of one class side by side as one, whose class nobody is told

    def __post_init__(self) -> None:
        check_kinds(self, "data")
        if self.size < 0 or min(self.stack, self.beside) != 1:
            raise ValueError("data.size must be 0 or more, data.stack and data.beside 1 or more, one of the two 1")
        if self.size and (self.source == "photos" or self.source.startswith("clips:")):
            raise ValueError(f"data.size is {self.size}: {self.source} comes in one size, use 0")


@dataclass(frozen=True, eq=False)
class Split:
    """Some images and, where known, their classes."""

    images: Pixels  # [N, C, H, W]
    labels: Labels | None  # [N], 0 .. classes - 1
    groups: Labels | None = None  # [N] the episode of each, say, where that is known

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: NDArray[Any]) -> Split:
        """The images of `index` [n]; an index [n, s] lays s images over each other: [n, s C, H, W].

        The class of a stack has the single classes as its decimal digits, the first image's in front.
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
    """A data set in three parts that share no image."""

    name: str
    train: Split
    select: Split
    report: Split
    stack: int = 1
    beside: int = 1
    singles: Images | None = None  # of images side by side, those that they are made of, with classes

    @property
    def classes(self) -> int:
        """Number of classes of a single image; 0 for images without labels."""
        return 0 if self.train.labels is None else 1 + int(self.train.labels.max())

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of what is generated."""
        _, colours, height, width = self.train.images.shape
        return colours * self.stack, height, width

    def held_out(self, part: Part) -> Split:
        """The images to select by, or to report."""
        return self.select if part == "select" else self.report

    def digest(self) -> str:
        """SHA-256 over all pixels and labels."""
        digest = hashlib.sha256()
        for part in (self.train, self.select, self.report):
            digest.update(repr(part.images.shape).encode() + part.images.tobytes())
            digest.update(b"" if part.labels is None else part.labels.tobytes())
        return digest.hexdigest()


def load(settings: DataSettings) -> Images:
    """The images that the settings name.

    Raises:
        DataError: they are not there, damaged, too few or of several sizes; the message names the remedy.
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
    """Canvases without classes, of `count` images of one class each; no image is in the canvases of two parts.

    Raises:
        DataError: images have no classes, or a class has too few.
    """
    parts = [Split(padded(part.images), part.labels) for part in (images.train, images.select, images.report)]
    train, select, report = (Split(canvases_of(part.images, part.labels, count, SPLIT_SEED), None) for part in parts)
    return Images(images.name, train, select, report, 1, count, Images(images.name, parts[0], parts[1], parts[2]))


def digits() -> RawImages:
    """5,000 digits of MNIST, 500 a class, sorted by class; they ship with this package (NOTICE says whose they are)."""
    return read_npz(DIGITS)


def split(name: str, found: RawImages) -> Images:
    """Three parts: by group where images have groups (no episode in two parts), else evenly over the classes.

    A test set of the data's own is the report part.

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
    """uint8 0..255 -> float32 -1..1."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """float -1..1 -> uint8 0..255, rounded: what a picture file would hold."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
