"""Conversion between `EnvSpec` and Gymnasium's spaces, as used by RLlib."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box

from envs.base import EnvSpec


def spaces_of(spec: EnvSpec) -> tuple[Any, Any]:
    """Return the observation and action space of one env."""
    low, high = (0, 255) if spec.frame_dtype == np.uint8 else (-np.inf, np.inf)
    return Box(low, high, spec.frame_shape, spec.frame_dtype.type), spec.actions


def spec_of_spaces(observations: Any, actions: Any) -> EnvSpec:
    """Invert `spaces_of`."""
    return EnvSpec(tuple(observations.shape), np.dtype(observations.dtype), actions)
