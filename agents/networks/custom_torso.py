"""A user's torso between observations and our heads: `--network.kind "package.module:Class"`.

The class is a torch module that is constructed with two arguments and maps observations to features:

    Class(shape: tuple[int, ...], stack: int)
    forward(x: Tensor) -> Tensor   # [B, F], of any F

`shape` is that of one observation: (K * C, H, W) for pixels, float32 in 0..1; (K * D,) for vectors.

Legend: B batch, K frames a stack, C colours, D numbers a vector, P blocks a frame.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from agents.replay.frames import BLOCK, colours_of
from training.entry import load_entry
from training.messages import first_line


class CustomTorso(nn.Module):
    """Adapter of a user's module: observations [B, P, K, D] -> features [B, F].

    The module is in training mode only in passes with gradients (for dropout and batch norm). Inference changes no
    flag, so it is thread-safe.

    Attributes:
        features: F, found by a test call with a batch of two.

    Raises:
        ValueError: the class does not exist, or returns no features.
    """

    def __init__(self, kind: str, frame_shape: tuple[int, ...], stack: int) -> None:
        super().__init__()
        self.frame_shape, self.stack = frame_shape, stack
        planes = stack * max(colours_of(frame_shape), 1)
        pixels = len(frame_shape) > 1
        shape = (planes, *frame_shape[:2]) if pixels else (math.prod(frame_shape) * stack,)
        self.module, found = _tried(kind, shape, stack)
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != 2 or not found.is_floating_point():
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(f"network.kind {kind} gives {got} for a batch of 2: its features are floats [2, F]")
        self.features = found.shape[1]

    def forward(self, obs: Tensor) -> Tensor:
        """Return features [B, F]; pixels 0..255 are scaled to 0..1."""
        if len(self.frame_shape) == 1:
            return self._features(obs.flatten(1))
        rows, columns = (side // BLOCK for side in self.frame_shape[:2])
        colours = max(colours_of(self.frame_shape), 1)
        cells = obs.view(-1, rows, columns, self.stack, colours, BLOCK, BLOCK).permute(0, 3, 4, 1, 5, 2, 6)
        pixels = cells.reshape(-1, self.stack * colours, rows * BLOCK, columns * BLOCK)
        return self._features(pixels.float() / 255.0)

    def _features(self, x: Tensor) -> Tensor:
        learns = self.training and torch.is_grad_enabled()  # an exported policy may act with gradients enabled
        if self.module.training != learns:
            self.module.train(learns)
        try:
            features: Tensor = self.module(x)
            return features
        finally:
            if learns:
                self.module.eval()


def _tried(kind: str, shape: tuple[int, ...], stack: int) -> tuple[nn.Module, Any]:
    """Construct the module; return it and its output for two black observations."""
    made_by = load_entry(kind)
    try:
        made = made_by(shape, stack)
        if not isinstance(made, nn.Module):
            raise ValueError(f"it makes a {type(made).__name__}, and not a torch module")
        made.eval()  # a user's `eval` may not return the module
        with torch.no_grad():
            return made, made(torch.zeros(2, *shape))
    except Exception as error:  # a user's code may raise anything
        raise ValueError(f"network.kind {kind} fails for observations {list(shape)}: {first_line(error)}") from error
