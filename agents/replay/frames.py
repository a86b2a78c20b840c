"""Frames in a block layout for the first convolution.

The 2013 and 2015 networks begin with an 8x8 convolution of stride 4. Cut into 4x4 blocks (space to depth), a
frame turns that layer into a 2x2 convolution of stride 1 over 64 channels: the same sums, with faster kernels on CPUs
and GPUs. The permutation is done once per frame, by the rollout; all later steps use blocks.

Legend: H, W pixels; P = H/4 * W/4 blocks; D = 16 pixels a block; K frames a stack.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

BLOCK = 4

Frames = NDArray[Any]


def to_blocks(frame: Frames, colours: int = 0) -> Frames:
    """Convert [..., H, W] pixels -> [..., P, D] blocks, or vectors [..., D] -> [..., 1, D]; the dtype is kept.

    With `colours` C the pixels are [..., H, W, C], and a block holds its C planes in sequence: D = 16 C.

    Raises:
        ValueError: H or W is not a multiple of 4.
    """
    if frame.dtype != np.uint8:
        return frame[..., None, :]
    if colours:
        planes = to_blocks(np.ascontiguousarray(np.moveaxis(frame, -1, -3)))  # [..., C, P, 16]
        return np.ascontiguousarray(planes.swapaxes(-3, -2)).reshape(*planes.shape[:-3], planes.shape[-2], -1)
    *lead, height, width = frame.shape
    if height % BLOCK or width % BLOCK:
        raise ValueError(f"frames of {height}x{width} cannot be cut into 4x4 blocks: use multiples of 4, as in 84x84")
    # Moving a row of a block as one uint32 is five times faster than 4 single bytes.
    cells = np.ascontiguousarray(frame).view(np.uint32).reshape(*lead, height // BLOCK, BLOCK, width // BLOCK)
    return np.ascontiguousarray(cells.swapaxes(-2, -1)).view(np.uint8).reshape(*lead, -1, BLOCK * BLOCK)


def require_blocks(frame_shape: tuple[int, ...], frame_dtype: DTypeLike) -> None:
    """Check that frames can be cut into blocks.

    Raises:
        ValueError: a side is not a multiple of 4.
    """
    to_blocks(np.zeros(frame_shape, frame_dtype), colours_of(frame_shape))


def from_blocks(blocks: Frames, frame_shape: tuple[int, ...]) -> Frames:
    """Inverse of `to_blocks`: [..., P, D] -> [..., *frame_shape]."""
    if len(frame_shape) == 1:
        return blocks[..., 0, :]
    if len(frame_shape) == 3:
        planes = blocks.reshape(*blocks.shape[:-1], frame_shape[2], BLOCK * BLOCK).swapaxes(-3, -2)
        return np.ascontiguousarray(np.moveaxis(from_blocks(planes, frame_shape[:2]), -3, -1))
    lead, (height, width) = blocks.shape[:-2], frame_shape
    split = blocks.reshape(*lead, height // BLOCK, width // BLOCK, BLOCK, BLOCK).swapaxes(-3, -2)
    return np.ascontiguousarray(split).reshape(*lead, height, width)


def blocks_shape(frame_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (P, D) of a frame: (441, 16) for 84x84 pixels, (441, 48) with three colours, (1, D) for a vector."""
    if len(frame_shape) == 1:
        return 1, frame_shape[0]
    return frame_shape[0] // BLOCK * (frame_shape[1] // BLOCK), BLOCK * BLOCK * max(colours_of(frame_shape), 1)


def colours_of(frame_shape: tuple[int, ...]) -> int:
    """Return C of frames [H, W, C]; 0 for grayscale frames and vectors."""
    return frame_shape[2] if len(frame_shape) == 3 else 0


class FrameStack:
    """The last K frames of E envs, the network's input: [E, P, K, D], oldest first.

    An episode's first frame fills the whole stack; `agents.replay.lanes` rebuilds the same bytes from single frames.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.stack: Frames | None = None

    def push(self, blocks: Frames, first: NDArray[np.bool_]) -> Frames:
        """Append blocks [E, P, D]; where `first` [E], reset the stack. Returns [E, P, K, D], valid until the next push.

        At the first push, all E envs begin an episode.
        """
        if self.stack is None:
            self.stack = np.repeat(blocks[:, :, None], self.depth, axis=2)
            return self.stack
        self.stack[:, :, :-1] = self.stack[:, :, 1:]
        self.stack[:, :, -1] = blocks
        if first.any():
            self.stack[first] = blocks[first][:, :, None]
        return self.stack
