"""Sampling order of training images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.data.images import Images, to_float
from training.device import moved


class EpochSampler:
    """Endless epochs over N images, each in a new random order."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.rng = count, np.random.default_rng(seed)
        self.queue = np.empty(0, np.int64)

    def next(self, amount: int) -> NDArray[np.int64]:
        """Return the next `amount` indices, which may span epochs."""
        while len(self.queue) < amount:
            self.queue = np.concatenate([self.queue, self.rng.permutation(self.count)])
        taken, self.queue = self.queue[:amount], self.queue[amount:]
        return taken

    def state(self) -> dict[str, Any]:
        """Return the state for `load_state`."""
        return {"rng": self.rng.bit_generator.state, "queue": self.queue.copy(), "count": self.count}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state`.

        Raises:
            ValueError: the number of images differs.
        """
        if int(state["count"]) != self.count:
            raise ValueError(f"saved with {state['count']} training images, here are {self.count}: use the same data")
        self.rng.bit_generator.state = state["rng"]
        self.queue = np.asarray(state["queue"], np.int64).copy()


class Unpaired:
    """Training images of several domains in independent random orders."""

    def __init__(self, domains: tuple[Images, ...], seed: int, device: str) -> None:
        self.pixels, self.device = [torch.from_numpy(each.train.images).to(device) for each in domains], device
        self.orders = [EpochSampler(len(pixels), seed + index) for index, pixels in enumerate(self.pixels)]

    def next(self, amount: int) -> list[Tensor]:
        """Return the next images of each domain, [amount, C, H, W] in -1..1."""
        return self.images(self.rows(amount))

    def rows(self, amount: int) -> list[Tensor]:
        """Return the indices of the next images, [amount] int64 of each domain."""
        return [moved(torch.from_numpy(order.next(amount)), self.device) for order in self.orders]

    def images(self, rows: list[Tensor]) -> list[Tensor]:
        """Return images by index of each domain, [B, C, H, W] in -1..1."""
        return [to_float(pixels[index]) for pixels, index in zip(self.pixels, rows, strict=True)]

    def state(self) -> dict[str, Any]:
        """Return the state for `load_state`."""
        return {str(index): order.state() for index, order in enumerate(self.orders)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state`.

        Raises:
            ValueError: a number of images differs.
        """
        for index, order in enumerate(self.orders):
            order.load_state(state[str(index)])


def class_labels(data: Images, conditional: bool, device: str) -> Tensor | None:
    """Return classes [N] int64 of the training images, None if `conditional` is False.

    Raises:
        ValueError: networks are conditional and the data has no classes.
    """
    return classes_for("--network.no-conditional", data, device) if conditional else None


def classes_for(without: str, data: Images, device: str) -> Tensor:
    """Return classes [N] int64 of the training images.

    Args:
        without: the option that avoids classes, for the error.

    Raises:
        ValueError: the data has none.
    """
    if data.train.labels is None or not data.classes:
        raise ValueError(f"{data.name} has no classes: give labels, or use {without}")
    return torch.from_numpy(data.train.labels).to(device)
