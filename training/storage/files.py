"""Files and folders that are whole or absent, whatever happens while they are written."""

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
PIECE = 1 << 24  # bytes read at once
REPLACED = ".old.part"  # ends the name of a folder whose place another is about to take


def part_of(file: Path) -> Path:
    """The name beside `file`, of the same suffix, under which it is written."""
    return file.with_name(f"{file.stem}.part{file.suffix}")


def replace(part: Path, file: Path) -> None:
    """What was written as `part` takes the place of `file`."""
    os.replace(part, file)


@contextmanager
def whole(file: Path, *, shared: bool = False) -> Iterator[Path]:
    """Write under the name that this gives: it becomes `file` at the end, or is deleted if there is none.

    Processes that may write a `shared` file at once have a name each.
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
    """Write into the new folder that this gives: it becomes `folder` at the end; after an error nothing of it is left.

    What was there before stays until then, under its own name or, for a moment, under `REPLACED`'s.
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
    sync(folder.parent)  # the new name, too, outlives a power cut
    shutil.rmtree(old, ignore_errors=True)


def sync(path: Path) -> None:
    """Bring a file's content, or a folder's names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def crc_of_file(file: Path) -> int:
    """CRC-32 of a file of any size."""
    crc = 0
    with file.open("rb") as handle:
        while piece := handle.read(PIECE):
            crc = zlib.crc32(piece, crc)
    return crc


def write_text(file: Path, text: str) -> None:
    """Write a text, as UTF-8."""
    with whole(file) as part:
        part.write_text(text, encoding="utf-8")


def write_bytes(file: Path, data: bytes) -> None:
    """Write bytes."""
    with whole(file) as part:
        part.write_bytes(data)


def write_json(file: Path, value: dict[str, Any]) -> None:
    """Write an object as JSON."""
    write_text(file, json.dumps(value, indent=2) + "\n")


def png(picture: Pixels, scale: int = 2) -> bytes:
    """A picture as a file, every pixel `scale` pixels wide."""
    out = io.BytesIO()
    enlarged(picture, scale).save(out, "PNG")
    return out.getvalue()


def gif(pictures: Sequence[Pixels], frames_per_second: float = 12.0, scale: int = 2) -> bytes:
    """An endless animation as a file."""
    images, out = [enlarged(picture, scale) for picture in pictures], io.BytesIO()
    duration = round(1000 / frames_per_second)
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=duration, loop=0)
    return out.getvalue()


def enlarged(picture: Pixels, scale: int) -> Image.Image:
    """A picture with every pixel `scale` pixels wide."""
    return Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1))
