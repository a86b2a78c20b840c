"""Results of learner updates. Legend: B batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from agents.networks.heads import TAKEN


class UpdateResult(NamedTuple):
    """Result of one update, on the learner's device."""

    priority: Tensor | None  # [B] 0 or more, for prioritized replay; None if unsupported
    metrics: dict[str, Tensor]  # [] each, by name; includes "loss"
    distributions: dict[str, Tensor]  # [B] each, by name


def priority_of(update: UpdateResult, precision: str) -> NDArray[np.float32]:
    """Return an update's priorities [B], on the CPU.

    Raises:
        FloatingPointError: one of them is not finite.
    """
    assert update.priority is not None
    priority: NDArray[np.float32] = update.priority.cpu().numpy()
    if not np.isfinite(priority).all():
        raise diverged("priority of a transition", float(priority[~np.isfinite(priority)][0]), precision)
    return priority


@dataclass
class UpdateStats:
    """Result of several updates; values are those of the last one."""

    updates: int
    scalars: dict[str, float] = field(default_factory=dict)
    distributions: dict[str, NDArray[np.float32]] = field(default_factory=dict)  # [B] each
    version: NDArray[np.int32] | None = None  # [B] of the weights that acted in the last batch
    sample_seconds: float = 0.0
    update_seconds: float = 0.0

    def look(self, update: UpdateResult, precision: str, version: NDArray[np.int32] | None = None) -> None:
        """Copy the update's values from the device; add scalars: the mean of TAKEN, mean absolute values of others.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        self.scalars = {name: float(value) for name, value in update.metrics.items()}
        if not math.isfinite(self.scalars["loss"]):
            raise diverged("loss", self.scalars["loss"], precision)
        self.distributions = {name: values.cpu().numpy() for name, values in update.distributions.items()}
        for name, values in self.distributions.items():
            if name == TAKEN:
                self.scalars["q_mean"] = float(values.mean())
            else:
                self.scalars[name] = float(np.abs(values).mean())
        self.version = version


def diverged(name: str, value: float, precision: str) -> FloatingPointError:
    """Return the error for a quantity `name` that has become non-finite, with the remedy."""
    remedy = ", or use learner.precision fp32" if precision == "bf16" else ""
    return FloatingPointError(f"the {name} became {value}: lower learner.learning_rate{remedy}")
