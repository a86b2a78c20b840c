"""Tiny settings, states as flat tensors, and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan.standard.settings import GanSettings
from training.settings import changed

TINY: dict[str, Any] = {
    "network.latent": 8,
    "network.generator_width": 8,
    "network.discriminator_width": 8,
    "training.batch_size": 8,
    "training.images": 4_000,
    "training.average_images": 100,
    "training.device": "cpu",  # also beside a GPU: tests look at tensors of their own
    "scores.samples": 40,
}


def tiny(**values: Any) -> GanSettings:
    """Settings for 8x8 pictures; sections are parted from names by two underscores."""
    return changed(GanSettings(), {**TINY, **{name.replace("__", "."): value for name, value in values.items()}})


def leaves(tree: Any, name: str = "") -> dict[str, Any]:
    """A nested state as {path: array or value}."""
    if not isinstance(tree, dict):
        return {name: tree}
    return {path: leaf for key, item in tree.items() for path, leaf in leaves(item, f"{name}/{key}").items()}


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal bit for bit."""
    left, right = leaves(a), leaves(b)
    return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)


def slopes_of(loss: Tensor, network: nn.Module) -> list[Tensor]:
    """The loss's slope at each of the network's parameters."""
    return [*torch.autograd.grad(loss, list(network.parameters()))]


def descended(network: nn.Module) -> list[Tensor | None]:
    """The slopes that the network's last update went down."""
    return [parameter.grad for parameter in network.parameters()]


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    return bool(type(a) is type(b) and a == b)
