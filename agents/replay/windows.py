"""Extents of n-step windows and frame stacks, from the flags of rows. Legend: B batch, n steps, K stack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.replay.transitions import Index

Flags = NDArray[np.bool_]


def n_step_window(next_first: Flags, terminal: Flags) -> tuple[Flags, Flags]:
    """Return which steps belong to an n-step window, and which windows terminate.

    Args:
        next_first: [B, n] the row after step i begins an episode, so step i has no transition.
        terminal: [B, n] do not bootstrap after step i.

    Returns:
        `inside` [B, n]: step i is in the window. `ended` [B]: the window's discount is 0.
    """
    inside: Flags = np.logical_and.accumulate(~next_first, axis=1)
    inside[:, 1:] &= np.logical_and.accumulate(~terminal[:, :-1], axis=1)
    ended: Flags = np.any(inside & terminal, axis=1)
    return inside, ended


def stack_ages(first: Flags) -> NDArray[np.int64]:
    """Return the age in rows of each frame of a stack, newest first; an episode's first frame is repeated as padding.

    `first` [B, K]: the row that is 0, 1, ... K - 1 rows old begins an episode. Returns [B, K].
    """
    depth = first.shape[1]
    oldest = np.where(np.any(first, axis=1), np.argmax(first, axis=1), depth - 1)
    ages: NDArray[np.int64] = np.minimum(np.arange(depth), oldest[:, None])
    return ages


def ranges(name: Index, begin: Index, end: Index) -> tuple[Index, Index]:
    """Concatenate the integers of ranges [begin, end) [N], each with its range's `name`.

    Returns names [M] and integers [M]; a range with end < begin is empty.
    """
    length = np.maximum(end - begin, 0)
    passed = np.cumsum(length) - length  # integers in the ranges before
    return np.repeat(name, length), np.arange(length.sum()) + np.repeat(begin - passed, length)
