"""What a network says of an action's value, and how it is taught. Legend: B batch, A actions, Z numbers an action.

A head has no parameters: the network gives `outputs` numbers for every action, the head says what they mean. Acting,
evaluation and export see values alone; the learner sees the rest.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from agents.networks.losses import ErrorLoss, error_loss, q_target, td_error


class HeadLoss(NamedTuple):
    """What a batch taught."""

    loss: Tensor  # [B]
    priority: Tensor  # [B] 0 or more: what prioritized replay draws by
    seen: dict[str, Tensor]  # [B] each, without gradient: "q_of_actions_taken", and the head's own measure of error


class ValueHead(Protocol):
    """What stands between a network's numbers and a value."""

    outputs: int  # Z

    def q(self, out: Any) -> Tensor:
        """Values [B, A] of what the network gave: [B, A] where Z is 1, else [B, A, Z] (`Quantiles`: implicit.py)."""

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Any, policy_next: Tensor) -> Tensor:
        """What the action taken should have been worth, without gradient.

        Args:
            return_t: [B] n-step return up to s'.
            discount_t: [B] gamma^k for a return of k steps, 0 where the episode terminated.
            out_next: what the target network gave for s'.
            policy_next: [B, A] how probable every action is taken to be in s': all on one where it is greedy.
        """

    def loss(self, out_t: Any, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """How far off the network is for the actions taken, action_t int64 [B]; `error` is for heads with errors."""


def of_action(out: Tensor, action: Tensor) -> Tensor:
    """Of out [B, A, Z] what belongs to action int64 [B] -> [B, Z]."""
    return out[torch.arange(len(action), device=action.device), action]


class ScalarHead:
    """One number an action, its value: the lecture's deep Q-learning (Mnih et al. 2013)."""

    outputs = 1

    def q(self, out: Tensor) -> Tensor:
        """The numbers themselves."""
        return out

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Tensor, policy_next: Tensor) -> Tensor:
        """R + discount * Q(s', a'), [B]."""
        return q_target(return_t, discount_t, out_next, policy_next)

    def loss(self, out_t: Tensor, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """Squared or clipped error; priorities are its size (Schaul et al. 2016)."""
        found = td_error(out_t, action_t, target)
        seen = found.detach()
        return HeadLoss(error_loss(found, error), seen.abs(), {"td_error": seen, "q_of_actions_taken": target - seen})
