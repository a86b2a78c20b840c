"""Validation of actions, torques and seeds. Legend: E envs, J joints."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# The emulator keeps seeds in a signed 32-bit integer and reads -1 as "any".
MAX_SEED = 2**31 - 1


def checked_action(action: NDArray[np.integer[Any]], num_envs: int, num_actions: int) -> NDArray[np.int64]:
    """Return `action` as int64 [E].

    Raises:
        ValueError: it is no integer array of shape [E], or an entry lies outside [0, num_actions).
    """
    array = np.asarray(action)
    if array.shape != (num_envs,) or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"action is {array.dtype} {list(array.shape)}: give integers [{num_envs}]")
    if ((array < 0) | (array >= num_actions)).any():
        raise ValueError(f"action {array} is out of range: give whole numbers from 0 to {num_actions - 1}")
    return array.astype(np.int64)


def checked_torques(action: NDArray[Any], num_envs: int, joints: int) -> NDArray[np.float32]:
    """Return `action` as float32 [E, J].

    Raises:
        ValueError: it is no float array of shape [E, J], or an entry lies outside [-1, 1].
    """
    array = np.asarray(action)
    if array.shape != (num_envs, joints) or array.dtype.kind != "f":
        raise ValueError(f"action is {array.dtype} {list(array.shape)}: give floats [{num_envs}, {joints}]")
    if not (np.abs(array) <= 1.0).all():
        raise ValueError(f"action {array} is out of range: give torques from -1 to 1")
    return array.astype(np.float32)


def checked_seed(seed: int, num_envs: int) -> int:
    """Return `seed` as an int with which env e can be seeded as `seed + e`.

    Raises:
        ValueError: it is no integer, or a seed lies outside [0, 2**31 - 1].
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ValueError(f"seed is {seed!r}: give an integer, an unseeded reset cannot be repeated")
    if not 0 <= seed <= MAX_SEED - (num_envs - 1):
        raise ValueError(f"seed is {seed}: give 0 to {MAX_SEED - (num_envs - 1)} for {num_envs} envs")
    return int(seed)
