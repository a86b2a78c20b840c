"""Atomic writing of files and folders."""

from __future__ import annotations

import io
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]  # [H, W, 3]
PIECE = 1 << 24  # bytes per read
REPLACED = ".old.part"  # suffix of a folder that is being replaced


def part_of(file: Path) -> Path:
    """Return the temporary path, next to `file` with the same suffix, under which it is written."""
    return file.with_name(f"{file.stem}.part{file.suffix}")


def replace(part: Path, file: Path) -> None:
    """Rename `part` to `file`, replacing it."""
    os.replace(part, file)


@contextmanager
def whole(file: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary path, which becomes `file` at the end or is deleted after an exception.

    For a `shared` file the path is unique to this process.
    """
    part = part_of(file.with_name(f"{file.stem}.{os.getpid()}{file.suffix}") if shared else file)
    try:
        yield part
        replace(part, file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a new temporary folder, which becomes `folder` at the end or is deleted after an exception.

    An existing folder is kept until then, briefly renamed with the suffix `REPLACED`.
    """
    part, old = folder.with_name(f"{folder.name}.part"), folder.with_name(f"{folder.name}{REPLACED}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
    except Exception:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    sync(folder.parent)  # makes the rename durable
    shutil.rmtree(old, ignore_errors=True)


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def crc_of_file(file: Path) -> int:
    """Return the CRC-32 of a file."""
    crc = 0
    with file.open("rb") as handle:
        while piece := handle.read(PIECE):
            crc = zlib.crc32(piece, crc)
    return crc


def write_text(file: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with whole(file) as part:
        part.write_text(text, encoding="utf-8")


def write_bytes(file: Path, data: bytes) -> None:
    """Write bytes atomically."""
    with whole(file) as part:
        part.write_bytes(data)


def write_json(file: Path, value: dict[str, Any]) -> None:
    """Write an object as JSON, atomically."""
    write_text(file, json.dumps(value, indent=2) + "\n")


def png(picture: Pixels, scale: int = 2) -> bytes:
    """Encode a picture as PNG, enlarged by `scale`."""
    out = io.BytesIO()
    enlarged(picture, scale).save(out, "PNG")
    return out.getvalue()


def gif(pictures: Sequence[Pixels], frames_per_second: float = 12.0, scale: int = 2) -> bytes:
    """Encode pictures as a looping GIF."""
    images, out = [enlarged(picture, scale) for picture in pictures], io.BytesIO()
    duration = round(1000 / frames_per_second)
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=duration, loop=0)
    return out.getvalue()


def enlarged(picture: Pixels, scale: int) -> Image.Image:
    """Enlarge a picture by an integer factor."""
    return Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1))
