"""A task with a known best policy: hit a point that the observation shows. Registered as "Aim-v0"."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

AIM = "tests.aim_env:Aim-v0"
STEPS = 4  # of an episode


class Aim(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A new point in [-0.7, 0.7]^2 at every step; the best action [2] is twice the point, within bounds of -2 and 2."""

    observation_space = Box(-1.0, 1.0, (2,), np.float32)
    action_space = Box(-2.0, 2.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.step_number = 0
        return self._point(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        missed = float(np.square(action / 2.0 - self.point).sum())
        self.step_number += 1
        return self._point(), -missed, self.step_number == STEPS, False, {}

    def _point(self) -> NDArray[np.float32]:
        self.point = self.np_random.uniform(-0.7, 0.7, 2).astype(np.float32)
        return self.point


gymnasium.register("Aim-v0", Aim)
