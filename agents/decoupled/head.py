"""Values of torques, joint by joint. Legend: B batch, J joints, Z = 3 bins: full torque back, none, full torque forth.

Seyde et al. 2023 ("Solving Continuous Control via Q-learning", section 3): the value of a whole action is the mean
over joints of one value each, Q(s, a) = 1/J sum_j Q_j(s, a_j). So the best action is every joint's best bin: J times 3
values are compared, and not 3^J.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.networks.heads import HeadLoss
from agents.networks.losses import ErrorLoss, error_loss
from agents.networks.q_network import NetworkSettings

HEAD = "agents.decoupled.head:BangOffBang"  # as `network.head`
BINS = 3


class BangOffBang:
    """Three numbers a joint. Where other heads have actions, this one has joints, and their bins are what is chosen."""

    outputs = BINS

    def __init__(self, settings: NetworkSettings) -> None:
        """The settings say nothing of it."""

    def q(self, out: Tensor) -> Tensor:
        """The numbers themselves, [B, J, 3]."""
        return out

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Tensor, policy_next: Tensor) -> Tensor:
        """R + discount * Q(s', a') of the bins that policy_next [B, J, 3] chooses, [B]."""
        return (return_t + discount_t * (policy_next * out_next).sum(2).mean(1)).detach()

    def loss(self, out_t: Tensor, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """The error of the whole action's value; action_t holds torques [B, J], each -1, 0 or 1."""
        taken = value_of(out_t, bins_of(action_t))
        found = (target - taken).detach()
        seen = {"td_error": found, "q_of_actions_taken": taken.detach()}
        return HeadLoss(error_loss(target - taken, error), found.abs(), seen)


def bins_of(torques: Tensor) -> Tensor:
    """Bins int64 [B, J] of torques [B, J]."""
    return torch.round(torques).long() + 1


def value_of(out: Tensor, bins: Tensor) -> Tensor:
    """Q(s, a) [B] of out [B, J, 3] for bins int64 [B, J]."""
    return out.gather(2, bins[..., None]).squeeze(2).mean(1)
