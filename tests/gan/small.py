"""Helpers: tiny settings, comparison of nested states, and gradients."""

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
    "training.device": "cpu",  # even where a GPU is present: tests compare with CPU tensors
    "scores.samples": 40,
}


def tiny(**values: Any) -> GanSettings:
    """Return settings for 8x8 images; two underscores separate section and name."""
    return changed(GanSettings(), {**TINY, **{name.replace("__", "."): value for name, value in values.items()}})


def leaves(tree: Any, name: str = "") -> dict[str, Any]:
    """Return a nested state as {path: array or value}."""
    if not isinstance(tree, dict):
        return {name: tree}
    return {path: leaf for key, item in tree.items() for path, leaf in leaves(item, f"{name}/{key}").items()}


def same(a: Any, b: Any) -> bool:
    """Return whether two states are equal bit for bit."""
    left, right = leaves(a), leaves(b)
    return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)


def slopes_of(loss: Tensor, network: nn.Module) -> list[Tensor]:
    """Return the gradient of the loss with respect to each parameter of the network."""
    return [*torch.autograd.grad(loss, list(network.parameters()))]


def descended(network: nn.Module) -> list[Tensor | None]:
    """Return the gradients that the network's last update used."""
    return [parameter.grad for parameter in network.parameters()]


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    return bool(type(a) is type(b) and a == b)
