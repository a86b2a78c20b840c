"""Chunks between hosts: frames compressed where a network lies in between, as they are where memory is shared."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any, NamedTuple

import lz4.block
import numpy as np

from agents.replay.transitions import Chunk


class Packed(NamedTuple):
    """A chunk whose frames are compressed: a game's frame shrinks from 7,056 bytes to one to three hundred."""

    rows: Chunk  # all but the frames, whose place an empty array of their dtype takes
    shape: tuple[int, ...]  # T, E, P, D
    frames: bytes


class Sent(NamedTuple):
    """What sending a chunk took."""

    size: int  # bytes of its frames on the way
    seconds: float  # of the sender's processor


def pack(chunk: Chunk, *, far: bool) -> tuple[Chunk | Packed, Sent]:
    """The message for a receiver in another host (`far`), or in this one."""
    if not far:
        return chunk, Sent(chunk.frames.nbytes, 0.0)
    started = perf_counter()
    frames = lz4.block.compress(np.ascontiguousarray(chunk.frames), store_size=False)
    rows = chunk._replace(frames=np.empty(0, chunk.frames.dtype))
    return Packed(rows, chunk.frames.shape, frames), Sent(len(frames), perf_counter() - started)


def unpack(message: Chunk | Packed) -> Chunk:
    """The chunk that `pack` was given."""
    if isinstance(message, Chunk):
        return message
    dtype: np.dtype[Any] = message.rows.frames.dtype
    size = math.prod(message.shape) * dtype.itemsize
    flat = np.frombuffer(lz4.block.decompress(message.frames, uncompressed_size=size), dtype)
    return message.rows._replace(frames=flat.reshape(message.shape))
