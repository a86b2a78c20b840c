"""Specs of made-up envs."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Discrete

from envs.base import EnvSpec


def spec_of(shape: tuple[int, ...] = (84, 84), actions: int = 3) -> EnvSpec:
    """Return a spec of uint8 pixels, or of float32 vectors."""
    return EnvSpec(shape, np.dtype(np.uint8 if len(shape) > 1 else np.float32), Discrete(actions))
