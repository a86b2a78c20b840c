"""Decoupled values of torques. Legend: B batch, J joints, Z = 3 bins: full torque backward, none, full torque forward.

Seyde et al. 2023 ("Solving Continuous Control via Q-learning", section 3): the value of an action is the mean over its
joints, Q(s, a) = 1/J sum_j Q_j(s, a_j). So the greedy action is the best bin of every joint, and 3 J values are
compared instead of 3^J.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.networks.heads import TAKEN, HeadLoss
from agents.networks.losses import ErrorLoss, error_loss
from agents.networks.q_network import NetworkSettings

HEAD = "agents.decoupled.head:BangOffBang"  # value of `network.head`
BINS = 3


class BangOffBang:
    """Three values per joint. Outputs have joints where other heads have actions; one bin of every joint is chosen."""

    outputs = BINS

    def __init__(self, settings: NetworkSettings) -> None:
        """Take settings as all heads do; none are used."""

    def q(self, out: Tensor) -> Tensor:
        """Return the outputs unchanged, [B, J, 3]."""
        return out

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Tensor, policy_next: Tensor) -> Tensor:
        """Return R + discount * Q(s', a') [B] for the bins that policy_next [B, J, 3] selects."""
        return (return_t + discount_t * (policy_next * out_next).sum(2).mean(1)).detach()

    def loss(self, out_t: Tensor, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """Return the loss of the value of the whole action; action_t holds torques [B, J], each -1, 0 or 1."""
        taken = value_of(out_t, bins_of(action_t))
        found = (target - taken).detach()
        seen = {"td_error": found, TAKEN: taken.detach()}
        return HeadLoss(error_loss(target - taken, error), found.abs(), seen)


def bins_of(torques: Tensor) -> Tensor:
    """Return the bins, int64 [B, J], of torques [B, J]."""
    return torch.round(torques).long() + 1


def value_of(out: Tensor, bins: Tensor) -> Tensor:
    """Return Q(s, a) [B] from out [B, J, 3] for bins int64 [B, J]."""
    return out.gather(2, bins[..., None]).squeeze(2).mean(1)
