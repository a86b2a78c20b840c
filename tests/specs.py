"""What made-up envs show and take."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Discrete

from envs.base import EnvSpec


def spec_of(shape: tuple[int, ...] = (84, 84), actions: int = 3) -> EnvSpec:
    """Of pixels uint8, or of vectors float32."""
    return EnvSpec(shape, np.dtype(np.uint8 if len(shape) > 1 else np.float32), Discrete(actions))
