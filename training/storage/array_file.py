"""Compressed file of one array: an LZ4 frame of a short JSON header and the array's bytes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np

PIECE = 1 << 24  # bytes of the buffer
RATIO = 256  # bound of LZ4's compression ratio
HEADER = 1 << 16  # maximum bytes of a header

Array = np.ndarray[Any, Any]


def write_array(file: Path, array: Array) -> None:
    """Write an array of numbers or booleans."""
    header = json.dumps({"dtype": array.dtype.str, "shape": array.shape}).encode()
    with lz4.frame.open(file, "wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, flat.size, PIECE):
            out.write(flat[start : start + PIECE].data)


def read_array(file: Path) -> Array:
    """Read what `write_array` wrote.

    Raises:
        ValueError, EOFError, RuntimeError: the file is no such file, or does not match its header. Memory is allocated
            only if the file's size can match.
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
            raise ValueError(f"{file.name} has data after its array")
    return array
