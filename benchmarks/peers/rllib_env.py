"""Pong for RLlib: with its own Atari wrappers, and the emulator's native vector env with the same observations."""

from __future__ import annotations

from typing import Any

import ale_py
import gymnasium
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium.spaces import Box
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers.vector import TransformObservation
from ray.rllib.env.wrappers.atari_wrappers import wrap_atari_for_new_api_stack


def make_wrapped(context: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """Create one env with RLlib's wrappers, four frames per step: observations [84, 84, 4] float32 in -1..1."""
    gymnasium.register_envs(ale_py)
    env = gymnasium.make("ALE/Pong-v5", frameskip=1, repeat_action_probability=0.0)
    wrapped: gymnasium.Env[Any, Any] = wrap_atari_for_new_api_stack(env, dim=84, framestack=4)
    return wrapped


def make_native(context: dict[str, Any]) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    """Create `context["num_envs"]` envs, four frames per step: observations [num_envs, 84, 84, 4] float32 in -1..1."""
    space = Box(-1.0, 1.0, (84, 84, 4), np.float32)
    return TransformObservation(
        AtariVectorEnv("pong", context["num_envs"]),
        _channels_last,
        single_observation_space=space,
        observation_space=batch_space(space, context["num_envs"]),
    )


def _channels_last(frames: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frames.transpose(0, 2, 3, 1)) * np.float32(1 / 128) - np.float32(1)
