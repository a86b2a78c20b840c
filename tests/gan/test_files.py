"""A user's own data files: valid ones are read, and invalid ones give a one-line error."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan.data.files import DataError, read
from gan.data.images import DataSettings, load

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (120, 12, 8)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (120, 12, 8, 3)).astype(np.uint8)
LABELS = np.arange(120) % 3


def idx(array: np.ndarray[Any, Any], magic: int | None = None) -> bytes:
    magic = 2048 + array.ndim if magic is None else magic
    return struct.pack(f">{1 + array.ndim}i", magic, *array.shape) + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, parts: tuple[str, ...] = ("train", "t10k"), zipped: bool = False) -> Path:
    for part in parts:
        for name, array in ((f"{part}-images-idx3-ubyte", GREY), (f"{part}-labels-idx1-ubyte", LABELS)):
            data = idx(array)
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(data) if zipped else data)
    return folder


def write_pictures(folder: Path, images: np.ndarray[Any, Any], classes: bool) -> Path:
    for index, image in enumerate(images):
        place = folder / f"kind{LABELS[index]}" if classes else folder
        place.mkdir(exist_ok=True, parents=True)
        Image.fromarray(image).save(place / f"{index:03}.png")
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_are_read(tmp_path: Path, zipped: bool) -> None:
    found = read(write_idx(tmp_path, zipped=zipped), 0)
    np.testing.assert_array_equal(found.images[:, 0], GREY)
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.test is not None
    np.testing.assert_array_equal(found.test.images[:, 0], GREY)
    assert load(DataSettings(source=str(tmp_path))).classes == 3


def test_idx_files_need_neither_labels_nor_a_test_set(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(GREY))
    found = read(tmp_path, 0)
    assert found.labels is None
    assert found.test is None


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("images", [GREY, COLOUR])
def test_pictures_are_read(tmp_path: Path, images: np.ndarray[Any, Any], classes: bool) -> None:
    found = read(write_pictures(tmp_path, images, classes), 0)
    order = np.argsort(LABELS, kind="stable") if classes else np.arange(120)
    wanted = images[..., None] if images.ndim == 3 else images
    np.testing.assert_array_equal(found.images.transpose(0, 2, 3, 1), wanted[order])
    assert (found.labels is None) != classes
    if classes:
        np.testing.assert_array_equal(found.labels, LABELS[order])


def test_pictures_of_several_sizes_are_brought_to_one(tmp_path: Path) -> None:
    write_pictures(tmp_path, COLOUR[:60], False)
    Image.fromarray(COLOUR[0].repeat(3, 0)).save(tmp_path / "tall.png")
    with pytest.raises(DataError, match=r"tall\.png has 8x36 pixels, 000\.png 8x12: give --data\.size"):
        read(tmp_path, 0)
    assert read(tmp_path, 16).images.shape == (61, 3, 16, 16)


@pytest.mark.parametrize("images", [GREY, COLOUR])
def test_archives_are_read(tmp_path: Path, images: np.ndarray[Any, Any]) -> None:
    file = tmp_path / "data.npz"
    np.savez(file, x_train=images, y_train=LABELS[:, None], x_test=images[:40], y_test=LABELS[:40], group=LABELS)
    found = read(file, 0)
    assert found.images.shape == (120, images.ndim * 2 - 5, 12, 8)
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_array_equal(found.groups, LABELS)
    assert found.test is not None
    assert len(found.test.images) == 40


def archive(**arrays: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.savez(folder / "data.npz", **arrays)
        return folder / "data.npz"

    return write


def raw(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name if name.endswith("npz") else folder

    return write


def idx_with(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (write_idx(folder) / name).write_bytes(data)
        return folder

    return write


def zipped_idx(data: bytes) -> Callable[[Path], Path]:
    return raw("train-images-idx3-ubyte.gz", data)


PNG = "0.png"
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "absent": (lambda folder: folder / "absent", "neither a folder nor an npz file"),
    "another kind": (raw("data.npz", b"text"), "no readable npz"),
    "empty folder": (lambda folder: folder, "no pictures in"),
    "pickled": (archive(x=np.array([{"a": 1}], dtype=object)), "npz of plain arrays"),
    "no x": (archive(pictures=GREY), "has no array x .only pictures.: name the images x"),
    "floats": (archive(x=GREY / 255), "float64, not uint8: scale them"),
    "flat": (archive(x=GREY.reshape(120, -1)), r"have shape \(120, 96\): use"),
    "four colours": (archive(x=COLOUR.repeat(2, 3)), "have shape"),
    "nothing": (archive(x=GREY[:0]), "holds no images"),
    "labels missing": (archive(x=GREY, y=LABELS[:-1]), "120 images need 120 whole numbers"),
    "labels broken": (archive(x=GREY, y=LABELS / 2), "y of .* is float64"),
    "one-hot": (archive(x=GREY, y=np.eye(3, dtype=int)[LABELS]), "need 120 whole numbers"),
    "test unlike": (archive(x=GREY, x_test=COLOUR), "differ in shape"),
    "test unlabelled": (archive(x=GREY, y=LABELS, x_test=GREY), "labels for one of"),
    "no picture": (raw(PNG, b"not a picture"), "0.png is no readable picture"),
    "cut picture": (raw(PNG, b"\x89PNG\r\n\x1a\n" + bytes(20)), "0.png is no readable picture"),
    "cut idx": (idx_with(TRAIN_IMAGES, idx(GREY)[:-5]), r"says \(120, 12, 8\) values and holds 11515: fetch it again"),
    "short header": (idx_with(TRAIN_IMAGES, b"\0\0"), "is damaged"),
    "other magic": (idx_with(TRAIN_IMAGES, idx(GREY, 7)), "begins with 7, an IDX file of this kind with 2051"),
    "fewer labels": (idx_with(TRAIN_LABELS, idx(LABELS[:-1])), "120 images need 120"),
    "no gzip": (zipped_idx(b"plain"), "is damaged"),
    "cut gzip": (zipped_idx(gzip.compress(idx(GREY))[:-40]), "is damaged"),
    "damaged gzip": (zipped_idx(gzip.compress(idx(GREY))[:-9] + bytes(9)), "is damaged"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_data_is_one_clear_line(case: str, tmp_path: Path) -> None:
    write, message = BROKEN[case]
    with pytest.raises(DataError, match=message) as caught:
        read(write(tmp_path), 0)
    assert "\n" not in str(caught.value)


def test_a_cut_picture_is_named_whichever_byte_is_missing(tmp_path: Path) -> None:
    write_pictures(tmp_path, COLOUR[:1].repeat(9, 1).repeat(9, 2), False)
    whole = (tmp_path / "000.png").read_bytes()
    for length in range(0, len(whole) - 60, 97):
        (tmp_path / "000.png").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"000\.png is no readable picture"):
            read(tmp_path, 0)


def test_unreadable_files_are_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"cannot read .*ubyte \(Permission denied\): check the file"):
        read(tmp_path, 0)
