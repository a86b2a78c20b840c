"""Frames between hosts: compressed where a network lies in between, as they are where memory is shared.

What is sent is a named tuple with a field `frames`: a `Chunk` of replay, or the `SingleFrames` of PQN.
"""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any, NamedTuple

import lz4.block
import numpy as np


class Packed(NamedTuple):
    """Rows whose frames are compressed: a game's frame shrinks from 7,056 bytes to one to three hundred."""

    rows: Any  # all but the frames, whose place an empty array of their dtype takes
    shape: tuple[int, ...]  # of the frames
    frames: bytes


class Sent(NamedTuple):
    """What sending rows took."""

    size: int  # bytes of their frames on the way
    seconds: float  # of the sender's processor

    def per_step(self, agent_steps: int) -> dict[str, float]:
        """The same for each of the agent steps that were sent, by TensorBoard's names."""
        steps = max(agent_steps, 1)
        return {"wire/bytes_per_step": self.size / steps, "seconds_per_step/wire": self.seconds / steps}


def pack(rows: Any, *, far: bool) -> tuple[Any, Sent]:
    """The message for a receiver in another host (`far`), or in this one."""
    if not far:
        return rows, Sent(rows.frames.nbytes, 0.0)
    started = perf_counter()
    frames = lz4.block.compress(np.ascontiguousarray(rows.frames), store_size=False)
    packed = Packed(rows._replace(frames=np.empty(0, rows.frames.dtype)), rows.frames.shape, frames)
    return packed, Sent(len(frames), perf_counter() - started)


def unpack(message: Any) -> Any:
    """The rows that `pack` was given."""
    if not isinstance(message, Packed):
        return message
    dtype: np.dtype[Any] = message.rows.frames.dtype
    size = math.prod(message.shape) * dtype.itemsize
    flat = np.frombuffer(lz4.block.decompress(message.frames, uncompressed_size=size), dtype)
    return message.rows._replace(frames=flat.reshape(message.shape))
