"""Value heads: meaning of the network's outputs, targets and losses. Legend: B batch, A actions, Z outputs per action.

A head has no parameters: the network has `outputs` outputs per action, and the head interprets them. Acting,
evaluation and export use values only; targets and losses are for the learner.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from agents.networks.losses import ErrorLoss, error_loss, q_target, td_error

TAKEN = "q_of_actions_taken"


class HeadLoss(NamedTuple):
    """Loss and errors of a batch."""

    loss: Tensor  # [B]
    priority: Tensor  # [B] 0 or more, for prioritized replay
    distributions: dict[str, Tensor]  # [B] each, detached: TAKEN and the head's error


class ValueHead(Protocol):
    """Interface of a head."""

    outputs: int  # Z

    def q(self, out: Any) -> Tensor:
        """Return values [B, A] of outputs [B, A] if Z is 1, else [B, A, Z] (`Quantiles` for implicit heads)."""

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Any, policy_next: Tensor) -> Tensor:
        """Return the target of the action taken, detached.

        Args:
            return_t: [B] n-step return up to s'.
            discount_t: [B] gamma^k for a return of k steps, 0 where the episode terminated.
            out_next: output of the target network for s'.
            policy_next: [B, A] action probabilities in s', one-hot for a greedy policy.
        """

    def loss(self, out_t: Any, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """Return the loss for actions action_t [B] int64; `error` selects the loss of scalar TD errors."""


def of_action(out: Tensor, action: Tensor) -> Tensor:
    """Select the outputs [B, Z] of action [B] int64 from out [B, A, Z]."""
    return out[torch.arange(len(action), device=action.device), action]


class ScalarHead:
    """One value per action, as in the lecture's deep Q-learning (Mnih et al. 2013)."""

    outputs = 1

    def q(self, out: Tensor) -> Tensor:
        """Return the outputs."""
        return out

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Tensor, policy_next: Tensor) -> Tensor:
        """Return R + discount * Q(s', a'), [B]."""
        return q_target(return_t, discount_t, out_next, policy_next)

    def loss(self, out_t: Tensor, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """Return the squared or clipped TD error; priorities are |TD error| (Schaul et al. 2016)."""
        found = td_error(out_t, action_t, target)
        seen = found.detach()
        return HeadLoss(error_loss(found, error), seen.abs(), {"td_error": seen, TAKEN: target - seen})
