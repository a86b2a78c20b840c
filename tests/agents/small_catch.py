"""A catch game on 8 by 8 pixels and a network for it, learned from pixels in seconds."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import nn

SIDE = 8


class SmallCatch(gymnasium.Env[NDArray[np.uint8], int]):
    """The ball falls one row per action; the paddle of three cells moves left, stays or moves right.

    The reward is 1 for a catch and -1 for a miss; random actions catch about a third.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 5}
    observation_space = Box(0, 255, (SIDE, SIDE), np.uint8)
    action_space = Discrete(3)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed)
        self.row, self.column, self.paddle = 0, *(int(place) for place in self.np_random.integers(SIDE, size=2))
        return self.picture(), {}

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        self.paddle = min(max(self.paddle + int(action) - 1, 0), SIDE - 1)
        self.row += 1
        landed = self.row == SIDE - 1
        reward = 0.0 if not landed else 1.0 if abs(self.paddle - self.column) <= 1 else -1.0
        return self.picture(), reward, landed, False, {}

    def picture(self) -> NDArray[np.uint8]:
        """Draw the ball, and the middle of the paddle in the lowest row."""
        pixels = np.zeros((SIDE, SIDE), np.uint8)
        pixels[-1, self.paddle] = 160
        pixels[self.row, self.column] = 255
        return pixels


class Torso(nn.Module):
    """A torso of one dense layer."""

    def __init__(self, shape: tuple[int, ...], stack: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * SIDE * SIDE, 64), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features [B, 64]."""
        features: torch.Tensor = self.layers(x)
        return features


gymnasium.register("SmallCatch-v0", f"{__name__}:SmallCatch")
