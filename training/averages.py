"""Weights that follow others: moving averages, and target networks."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def move_towards(network: nn.Module, newest: nn.Module, share: float) -> None:
    """network <- network + share * (newest - network), in place; 1 copies to the last bit.

    Buffers (a norm's statistics) are copied, whatever the share.
    """
    torch._foreach_lerp_(list(network.parameters()), list(newest.parameters()), share)
    for mine, theirs in zip(network.buffers(), newest.buffers(), strict=True):
        mine.copy_(theirs)
