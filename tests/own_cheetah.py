"""A custom robot with the class of one of Gymnasium's. Registered as "OwnCheetah-v0"."""

from __future__ import annotations

import gymnasium
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv


class OwnCheetah(HalfCheetahEnv):
    """The same task under another name."""


gymnasium.register("OwnCheetah-v0", OwnCheetah)
