"""What updates leave behind: one of them, and a number of them. Legend: B batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from agents.replay.transitions import Batch


class Update(NamedTuple):
    """What one update leaves behind, still on the learner's device."""

    loss: Tensor  # []
    td_error: Tensor  # [B]
    q: Tensor  # [B] of the actions taken
    grad_norm: Tensor  # [] before clipping

    def priority(self, precision: str) -> NDArray[np.float32]:
        """|TD error| [B], on the CPU.

        Raises:
            FloatingPointError: one of them is no finite number.
        """
        error: NDArray[np.float32] = self.td_error.abs().cpu().numpy()
        if not np.isfinite(error).all():
            raise diverged("TD error", float(error[~np.isfinite(error)][0]), precision)
        return error


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

    def look(self, update: Update, batch: Batch, precision: str) -> None:
        """Read the update's values off the device.

        Raises:
            FloatingPointError: the loss is no longer a number.
        """
        loss = float(update.loss)
        if not math.isfinite(loss):
            raise diverged("loss", loss, precision)
        self.q, self.td_error = update.q.cpu().numpy(), update.td_error.cpu().numpy()
        self.scalars = {
            "loss": loss,
            "q_mean": float(self.q.mean()),
            "td_error": float(np.abs(self.td_error).mean()),
            "grad_norm": float(update.grad_norm),
        }
        self.version = batch.version


def diverged(name: str, value: float, precision: str) -> FloatingPointError:
    """The error of a training whose `name` is no finite number any more, with what mends it."""
    mend = ", or use learner.precision fp32" if precision == "bf16" else ""
    return FloatingPointError(f"the {name} became {value}: lower learner.learning_rate{mend}")
