"""Compression of frames that are sent to other hosts; within a host they stay in shared memory.

Messages are named tuples with a field `frames`: a `Chunk` of replay or `SingleFrames` of PQN.
"""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any, NamedTuple

import lz4.block
import numpy as np


class Packed(NamedTuple):
    """Rows with compressed frames; an Atari frame shrinks from 7,056 bytes to 100 to 300."""

    rows: Any  # the named tuple, with an empty array of the same dtype as `frames`
    shape: tuple[int, ...]  # of the frames
    frames: bytes


class TransferCost(NamedTuple):
    """Cost of sending rows."""

    size: int  # bytes of the frames as sent
    seconds: float  # of compression

    def per_step(self, agent_steps: int) -> dict[str, float]:
        """Return the cost per agent step, by TensorBoard tag."""
        steps = max(agent_steps, 1)
        return {"wire/bytes_per_step": self.size / steps, "seconds_per_step/wire": self.seconds / steps}


def pack(rows: Any, *, far: bool) -> tuple[Any, TransferCost]:
    """Return the message for a receiver on another host (`far`) or on this one, and its cost."""
    if not far:
        return rows, TransferCost(rows.frames.nbytes, 0.0)
    started = perf_counter()
    frames = lz4.block.compress(np.ascontiguousarray(rows.frames), store_size=False)
    packed = Packed(rows._replace(frames=np.empty(0, rows.frames.dtype)), rows.frames.shape, frames)
    return packed, TransferCost(len(frames), perf_counter() - started)


def unpack(message: Any) -> Any:
    """Invert `pack`."""
    if not isinstance(message, Packed):
        return message
    dtype: np.dtype[Any] = message.rows.frames.dtype
    size = math.prod(message.shape) * dtype.itemsize
    flat = np.frombuffer(lz4.block.decompress(message.frames, uncompressed_size=size), dtype)
    return message.rows._replace(frames=flat.reshape(message.shape))
