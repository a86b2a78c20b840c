"""Where windows of rows begin and end, from the two flags of a row. Legend: B batch, n steps of a return, K stack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.replay.transitions import Index

Flags = NDArray[np.bool_]


def n_step_window(next_first: Flags, terminal: Flags) -> tuple[Flags, Flags]:
    """Which steps belong to an n-step window, and which windows end for good.

    Args:
        next_first: [B, n] the row after step i begins an episode, so step i has no transition.
        terminal: [B, n] no value lies beyond step i.

    Returns:
        `inside` [B, n]: step i counts; the window has as many steps as entries. `ended` [B]: its discount is 0.
    """
    inside: Flags = np.logical_and.accumulate(~next_first, axis=1)
    inside[:, 1:] &= np.logical_and.accumulate(~terminal[:, :-1], axis=1)
    ended: Flags = np.any(inside & terminal, axis=1)
    return inside, ended


def stack_ages(first: Flags) -> NDArray[np.int64]:
    """How many rows back each frame of a stack lies, newest first: an episode's first frame is repeated before it.

    `first` [B, K]: the row 0, 1, ... K - 1 rows back begins an episode. Returns [B, K].
    """
    depth = first.shape[1]
    oldest = np.where(np.any(first, axis=1), np.argmax(first, axis=1), depth - 1)
    ages: NDArray[np.int64] = np.minimum(np.arange(depth), oldest[:, None])
    return ages


def ranges(name: Index, begin: Index, end: Index) -> tuple[Index, Index]:
    """The numbers of several ranges [begin, end), one range [N] after the other, each beside its range's `name`.

    Returns [M] names and [M] numbers; a range that ends before it begins is empty.
    """
    length = np.maximum(end - begin, 0)
    passed = np.cumsum(length) - length  # numbers of the ranges before
    return np.repeat(name, length), np.arange(length.sum()) + np.repeat(begin - passed, length)
