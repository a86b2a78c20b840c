"""One large array as a file of its own, compressed: an LZ4 frame of a short JSON header and the array's bytes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np

PIECE = 1 << 24  # bytes that are in memory beside the array
RATIO = 256  # LZ4 makes nothing smaller than this part of it
HEADER = 1 << 16  # bytes of the longest header

Array = np.ndarray[Any, Any]


def write_array(file: Path, array: Array) -> None:
    """Write any array of plain values."""
    header = json.dumps({"dtype": array.dtype.str, "shape": array.shape}).encode()
    with lz4.frame.open(file, "wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, flat.size, PIECE):
            out.write(flat[start : start + PIECE].data)


def read_array(file: Path) -> Array:
    """Read what `write_array` wrote.

    Raises:
        ValueError, EOFError, RuntimeError: the file is something else, or does not hold what its header says. Memory is
            taken only after a look at whether the file can hold as much.
    """
    with lz4.frame.open(file, "rb") as source:
        length = int.from_bytes(source.read(8), "little")
        if length > HEADER:
            raise ValueError(f"{file.name} has a header of {length:,} bytes")
        header = json.loads(source.read(length))
        dtype, shape = np.dtype(header["dtype"]), tuple(header["shape"])
        if math.prod(shape) * dtype.itemsize > RATIO * file.stat().st_size:
            raise ValueError(f"{file.name} cannot hold an array {list(shape)} of {dtype}")
        array = np.empty(shape, dtype)
        flat = array.reshape(-1).view(np.uint8)
        for start in range(0, flat.size, PIECE):
            part = flat[start : start + PIECE]
            piece = source.read(part.size)
            if len(piece) != part.size:
                raise ValueError(f"{file.name} ends before its array does")
            part[:] = np.frombuffer(piece, np.uint8)
        if source.read(1):
            raise ValueError(f"{file.name} goes on behind its array")
    return array
