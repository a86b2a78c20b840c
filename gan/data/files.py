"""Reading of users' images: IDX files, folders of pictures, npz archives."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}
IDX_IMAGES, IDX_LABELS = 2051, 2049  # magic numbers of uint8 with 3 and 1 dimensions
TRAIN, TEST = "train", "t10k"


class DataError(ValueError):
    """Unusable data; the message has the remedy."""


@dataclass(frozen=True, eq=False)
class RawImages:
    """Images of a source, before the split."""

    images: NDArray[np.uint8]  # [N, C, H, W]
    labels: NDArray[np.int64] | None = None  # [N]
    groups: NDArray[np.int64] | None = None  # [N] groups, such as episodes, which stay in one part
    test: RawImages | None = None  # a separate test set


def read(path: Path, size: int) -> RawImages:
    """Read images from `path`: an npz file, a folder with IDX files, or one with pictures (a sub-folder per class).

    Pictures are scaled to `size`; arrays are unchanged.

    Raises:
        DataError: nothing usable is there.
    """
    try:
        if path.is_file() and path.suffix == ".npz":
            return read_npz(path)
        if not path.is_dir():
            raise DataError(f"{path} is neither a folder nor an npz file: name a folder of images, IDX files or an npz")
        if any(path.glob(f"{TRAIN}-images*")):
            return read_idx(path)
        return read_pictures(path, size)
    except OSError as error:
        raise DataError(f"cannot read {error.filename or path} ({error.strerror or error}): check the file") from None


def scaled(found: RawImages, size: int) -> RawImages:
    """Resize square images by averaging areas; size 0 leaves them unchanged."""
    if size == 0 or found.images.shape[2:] == (size, size):
        return found
    pictures = (Image.fromarray(image) for image in found.images.reshape(-1, *found.images.shape[2:]))
    smaller = [np.asarray(picture.resize((size, size), Image.Resampling.BOX)) for picture in pictures]
    images = np.stack(smaller).reshape(*found.images.shape[:2], size, size)
    test = None if found.test is None else scaled(found.test, size)
    return replace(found, images=images, test=test)


def read_npz(path: Path) -> RawImages:
    """Read arrays `x` [N, H, W] or [N, H, W, 3] uint8, and optionally `y` [N] classes, `group` [N], `x_test`, `y_test`.

    Raises:
        DataError: it is damaged, its arrays are missing, pickled, or of another shape or type.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name.removesuffix("_train"): archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"{path} is no readable npz of plain arrays ({error}): save it with numpy.savez") from None
    if "x" not in arrays:
        raise DataError(f"{path} has no array x (only {', '.join(sorted(arrays)) or 'nothing'}): name the images x")
    images = _pixels(path, arrays["x"])
    groups = _labels(path, arrays["group"], len(images), "group") if "group" in arrays else None
    labels = _labels(path, arrays["y"], len(images), "y") if "y" in arrays else None
    test = None
    if "x_test" in arrays:
        held_out = _pixels(path, arrays["x_test"])
        known = _labels(path, arrays["y_test"], len(held_out), "y_test") if "y_test" in arrays else None
        test = RawImages(held_out, known)
    return _checked(path, RawImages(images, labels, groups, test))


def read_idx(path: Path) -> RawImages:
    """Read MNIST's files, `train-images-idx3-ubyte` and the three others, plain or .gz.

    Raises:
        DataError: a file is damaged, or the numbers of images and labels differ.
    """
    parts: dict[str, RawImages] = {}
    for part in (TRAIN, TEST):
        images, labels = _idx(path, f"{part}-images", IDX_IMAGES), _idx(path, f"{part}-labels", IDX_LABELS)
        if images is None:
            continue
        known = None if labels is None else _labels(path, labels, len(images), f"{part}-labels")
        parts[part] = RawImages(images[:, None], known)
    train = parts[TRAIN]
    return _checked(path, RawImages(train.images, train.labels, None, parts.get(TEST)))


def read_pictures(path: Path, size: int) -> RawImages:
    """Read all pictures under `path`, sorted by name; sub-folders are classes.

    Raises:
        DataError: there are none, one is unreadable, or sizes differ and no `size` is given.
    """
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURES)
    if not files:
        raise DataError(f"no pictures in {path}: it needs {', '.join(sorted(PICTURES))} files, or IDX files")
    folders = sorted({file.parent for file in files})
    labels = np.array([folders.index(file.parent) for file in files]) if len(folders) > 1 else None
    pictures = [_picture(file, size) for file in files]
    if any(picture.mode != "L" for picture in pictures):
        pictures = [picture.convert("RGB") for picture in pictures]
    for file, picture in zip(files, pictures, strict=True):
        if picture.size != pictures[0].size:
            width, height = picture.size
            raise DataError(
                f"{file} has {width}x{height} pixels, {files[0].name} {pictures[0].width}x{pictures[0].height}: "
                "give --data.size to bring all to one size"
            )
    return RawImages(_pixels(path, np.stack([np.asarray(picture) for picture in pictures])), labels)


def _picture(file: Path, size: int) -> Image.Image:
    try:
        with Image.open(file) as image:
            picture = image.convert("L" if image.mode in ("1", "L") else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{file} is no readable picture ({error}): repair or remove it") from None
    if size == 0:
        return picture
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side))


def _idx(path: Path, name: str, magic: int) -> NDArray[np.uint8] | None:
    found = sorted(path.glob(f"{name}*"))
    if not found:
        return None
    file = found[0]
    dimensions = magic % 256
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        header = struct.unpack(f">{1 + dimensions}i", data[: 4 + 4 * dimensions])
    except (EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise DataError(f"{file} is damaged ({error}): fetch it again") from None
    if header[0] != magic:
        raise DataError(f"{file} begins with {header[0]}, an IDX file of this kind with {magic}: fetch it again")
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    if len(values) != np.prod(header[1:]):
        raise DataError(f"{file} says {header[1:]} values and holds {len(values)}: fetch it again")
    return values.reshape(header[1:])


def _pixels(path: Path, images: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert [N, H, W] or [N, H, W, C] uint8 -> [N, C, H, W]."""
    if images.dtype != np.uint8:
        raise DataError(f"the images of {path} are {images.dtype}, not uint8: scale them to 0..255 and cast them")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(f"the images of {path} have shape {images.shape}: use [N, H, W] or [N, H, W, 3]")
    if 0 in images.shape:
        raise DataError(f"{path} holds no images: give at least some dozens")
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _labels(path: Path, labels: NDArray[Any], count: int, name: str) -> NDArray[np.int64]:
    if labels.ndim == 2 and labels.shape[1] == 1:  # found in some archives
        labels = labels[:, 0]
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(f"{name} of {path} is {labels.dtype} {labels.shape}: {count} images need {count} whole numbers")
    return labels.astype(np.int64)


def _checked(path: Path, found: RawImages) -> RawImages:
    if found.test is None:
        return found
    if found.test.images.shape[1:] != found.images.shape[1:]:
        raise DataError(f"training and test images of {path} differ in shape: make them alike")
    if (found.test.labels is None) != (found.labels is None):
        raise DataError(f"{path} has labels for one of training and test images only: give both or none")
    return found
