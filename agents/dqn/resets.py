"""Shrink and perturb: periodic partial resets, for high replay ratios.

As in Schwarzer et al. (2023), "Bigger, Better, Faster", section 3: the torso is averaged with new weights, dense layers
are re-initialised, and the optimiser's moments are reset.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KEPT = 0.5  # weight of the torso's old parameters


def shrink_and_perturb(network: nn.Module, fresh: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Reset `network` in place towards `fresh`, a newly initialised copy; also reset the moments.

    Convolutions and their norms form the torso; the first dense layer and all after it are re-initialised.
    """
    dense = False
    with torch.no_grad():
        for mine, new in zip(_layers(network), _layers(fresh), strict=True):
            dense = dense or isinstance(mine, nn.Linear)
            for old, other in zip(mine.parameters(recurse=False), new.parameters(recurse=False), strict=True):
                old.lerp_(other.to(old.device), 1.0 if dense else 1.0 - KEPT)
    for moments in optimizer.state.values():
        for value in moments.values():
            if isinstance(value, Tensor):
                value.zero_()


def _layers(network: nn.Module) -> list[nn.Module]:
    """Return the modules with own parameters, in forward order."""
    return [module for module in network.modules() if list(module.parameters(recurse=False))]
