"""The mathematics of value learning as pure functions. Legend: B batch, A actions, n steps of a return."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

ErrorLoss = Literal["huber", "squared"]


def clip_reward(reward: Tensor, bound: float) -> Tensor:
    """Rewards limited to [-bound, bound] (Mnih et al. 2013, section 5), any shape. `bound` 0 leaves them raw."""
    return reward.clamp(-bound, bound) if bound > 0 else reward


def n_step_return(reward: Tensor, gamma: float) -> Tensor:
    """sum_i gamma^i r_{t+i+1} of reward [B, n] (zero behind an episode's end) -> [B] (Sutton 1988)."""
    powers = gamma ** torch.arange(reward.shape[1], dtype=reward.dtype, device=reward.device)
    return reward @ powers


def greedy(q: Tensor) -> Tensor:
    """All probability on the action of the highest value: [..., A] -> [..., A]. The first of equal actions wins.

    Of q_select in s' it is the target network's own values (Mnih et al. 2015), or the online network's (double
    Q-learning, van Hasselt et al. 2016, equation 4).
    """
    return torch.zeros_like(q).scatter_(-1, q.argmax(-1, keepdim=True), 1.0)


def q_target(return_t: Tensor, discount_t: Tensor, q_next: Tensor, policy_next: Tensor) -> Tensor:
    """R + discount * sum_a policy(a|s') Q_target(s', a) -> [B], without gradient.

    Args:
        return_t: [B] n-step return up to s'.
        discount_t: [B] gamma^k for a return of k steps, 0 where the episode terminated.
        q_next: [B, A] the target network's values of s'.
        policy_next: [B, A] probabilities of the actions in s'.
    """
    return (return_t + discount_t * (policy_next * q_next).sum(1)).detach()


def td_error(q_t: Tensor, action_t: Tensor, target_t: Tensor) -> Tensor:
    """target - Q(s, a) of q_t [B, A] and action_t [B] int64 -> [B]."""
    return target_t - q_t.gather(1, action_t[:, None]).squeeze(1)


def error_loss(error: Tensor, kind: ErrorLoss) -> Tensor:
    """Half the squared error, or Huber's loss of threshold 1: the gradient is the clipped error (Mnih et al. 2015)."""
    squared = 0.5 * error.square()
    if kind == "squared":
        return squared
    return torch.where(error.abs() <= 1.0, squared, error.abs() - 0.5)


def action_loss(q: Tensor, action: Tensor) -> Tensor:
    """logsumexp_a q - q(action) of q [B, A] and action [B] int64 -> [B]: values of other actions are too high.

    Where q are logits this is the cross-entropy of the action; where they are values it is what conservative Q-learning
    adds to its error (Kumar et al. 2020, section 3.2: CQL(H)).
    """
    return q.logsumexp(1) - q.gather(1, action[:, None]).squeeze(1)


def importance_weights(priority: Tensor, beta: float) -> Tensor:
    """(N P(i))^-beta / max over the batch (Schaul et al. 2016, section 3.4) of priority [B] -> [B].

    P(i) is priority over the replay's total mass; mass and N cancel in the quotient, so a batch drawn from many shards
    in proportion to their mass gets the weights that one large shard would give.
    """
    return (priority / priority.min()) ** -beta
