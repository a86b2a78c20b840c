"""Shrink and perturb: a network that learns the same data many times is made young again now and then.

The share is that of Schwarzer et al. (2023), "Bigger, Better, Faster", section 3: what sees (the body) keeps half of
its weights and takes the other half anew, what judges (the dense end) begins anew, and the optimiser forgets.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KEPT = 0.5  # of the body's weights


def shrink_and_perturb(network: nn.Module, fresh: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Move `network` towards `fresh`, one of its kind with new weights; in place, moments included.

    Convolutions and their norms are the body; dense layers, and norms behind the first of them, are its end.
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
    """Modules that have parameters of their own, in the order in which an observation passes them."""
    return [module for module in network.modules() if list(module.parameters(recurse=False))]
