"""Networks and optimisers as plain arrays, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Arrays = dict[str, NDArray[Any]]


def arrays_of(network: nn.Module) -> Arrays:
    """A copy of a network's parameters and buffers, on the CPU."""
    values = network.state_dict().items()
    return {name: value.detach().to("cpu", copy=True).contiguous().numpy() for name, value in values}


def load_arrays(network: nn.Module, saved: Arrays) -> None:
    """Inverse of `arrays_of`.

    Raises:
        ValueError: they are another network's.
    """
    try:
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in saved.items()})
    except RuntimeError:
        raise ValueError("the saved networks are others: use the settings the run was started with") from None


def moments_of(optimizer: torch.optim.Optimizer) -> dict[str, Arrays]:
    """What the optimiser remembers of each parameter: no learning rates."""
    return {
        str(index): {name: value.detach().to("cpu", copy=True).contiguous().numpy() for name, value in moments.items()}
        for index, moments in optimizer.state_dict()["state"].items()
    }


def load_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Arrays]) -> None:
    """Inverse of `moments_of`; the optimiser keeps its own learning rates.

    The fused kernel walks through parameter and moments in the order of memory, so both need the same layout.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        int(index): {name: _laid_out(value, parameters[int(index)]) for name, value in values.items()}
        for index, values in saved.items()
    }
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def _laid_out(value: NDArray[Any], parameter: torch.Tensor) -> torch.Tensor:
    found = torch.from_numpy(np.array(value))
    return torch.empty_like(parameter).copy_(found) if found.shape == parameter.shape else found
