"""Conversion of networks and optimisers to plain arrays and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Arrays = dict[str, NDArray[Any]]
K = TypeVar("K", bound=Hashable)


def arrays_of(network: nn.Module) -> Arrays:
    """Return a copy of a network's parameters and buffers, on the CPU."""
    return _on_cpu(network.state_dict())


def load_arrays(network: nn.Module, saved: Arrays) -> None:
    """Invert `arrays_of`.

    Raises:
        ValueError: they do not fit the network.
    """
    try:
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in saved.items()})
    except RuntimeError:
        raise ValueError("the saved networks differ: use the settings the run was started with") from None


def moments_of(optimizer: torch.optim.Optimizer) -> dict[str, Arrays]:
    """Return the optimiser's state per parameter, without learning rates."""
    state = optimizer.state_dict()["state"]
    found = _on_cpu({(i, name): value for i, moments in state.items() for name, value in moments.items()})
    return {str(i): {name: found[i, name] for name in moments} for i, moments in state.items()}


def load_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Arrays]) -> None:
    """Invert `moments_of`; the optimiser keeps its learning rates.

    The fused kernel requires moments in the memory layout of their parameter.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        int(index): {name: _laid_out(value, parameters[int(index)]) for name, value in values.items()}
        for index, values in saved.items()
    }
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def _on_cpu(tensors: Mapping[K, torch.Tensor]) -> dict[K, NDArray[Any]]:
    """Copy tensors to arrays, with one transfer per dtype and device instead of one per tensor.

    The step counts of an optimiser that is not fused are on the CPU, also if its parameters are not.
    """
    found: dict[K, NDArray[Any]] = {}
    for kind in {(value.dtype, value.device) for value in tensors.values()}:
        same = {name: value.detach() for name, value in tensors.items() if (value.dtype, value.device) == kind}
        flat = torch.cat([value.flatten() for value in same.values()]).cpu().numpy()
        parts = np.split(flat, np.cumsum([value.numel() for value in same.values()])[:-1])
        found |= {name: part.reshape(same[name].shape) for name, part in zip(same, parts, strict=True)}
    return {name: found[name] for name in tensors}


def _laid_out(value: NDArray[Any], parameter: torch.Tensor) -> torch.Tensor:
    found = torch.from_numpy(np.array(value))
    return torch.empty_like(parameter).copy_(found) if found.shape == parameter.shape else found
