"""Moving averages of weights, also for target networks."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def move_towards(network: nn.Module, newest: nn.Module, share: float) -> None:
    """Set network <- network + share * (newest - network) in place; share 1 is an exact copy.

    Buffers (statistics of norms) are always copied.
    """
    torch._foreach_lerp_(list(network.parameters()), list(newest.parameters()), share)
    for mine, theirs in zip(network.buffers(), newest.buffers(), strict=True):
        mine.copy_(theirs)
