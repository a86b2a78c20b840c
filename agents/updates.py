"""What updates leave behind: one of them, and a number of them. Legend: B batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from agents.transitions import Batch


class Update(NamedTuple):
    """What one update leaves behind, still on the learner's device."""

    loss: Tensor  # []
    td_error: Tensor  # [B]
    q: Tensor  # [B] of the actions taken
    grad_norm: Tensor  # [] before clipping


@dataclass
class Learned:
    """What a number of updates did; the values are those of the last one."""

    updates: int
    scalars: dict[str, float] = field(default_factory=dict)
    version: NDArray[np.int32] | None = None  # [B] of the weights that acted in the last batch
    q: NDArray[np.float32] | None = None  # [B] of the actions taken
    td_error: NDArray[np.float32] | None = None  # [B]
    sample_seconds: float = 0.0
    update_seconds: float = 0.0

    def look(self, update: Update, batch: Batch) -> None:
        """Read the update's values off the device.

        Raises:
            FloatingPointError: the loss is no longer a number.
        """
        loss = float(update.loss)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss}: lower learner.learning_rate, or use learner.precision fp32"
            )
        self.q, self.td_error = update.q.cpu().numpy(), update.td_error.cpu().numpy()
        self.scalars = {
            "loss": loss,
            "q_mean": float(self.q.mean()),
            "td_error": float(np.abs(self.td_error).mean()),
            "grad_norm": float(update.grad_norm),
        }
        self.version = batch.version
