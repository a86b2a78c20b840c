"""Pure functions of value learning. Legend: B batch, A actions, n steps of a return."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

ErrorLoss = Literal["huber", "squared"]


def clip_reward(reward: Tensor, bound: float) -> Tensor:
    """Clip rewards of any shape to [-bound, bound] (Mnih et al. 2013, section 5); not if `bound` is 0."""
    return reward.clamp(-bound, bound) if bound > 0 else reward


def n_step_return(reward: Tensor, gamma: float) -> Tensor:
    """Return sum_i gamma^i r_{t+i+1} of reward [B, n] (zero after an episode's end) -> [B] (Sutton 1988)."""
    powers = gamma ** torch.arange(reward.shape[1], dtype=reward.dtype, device=reward.device)
    return reward @ powers


def greedy(q: Tensor) -> Tensor:
    """Return one-hot probabilities of the greedy action: [..., A] -> [..., A]. Ties go to the first action.

    For targets, q is that of the target network (Mnih et al. 2015) or of the online network (double Q-learning, van
    Hasselt et al. 2016, equation 4).
    """
    return torch.zeros_like(q).scatter_(-1, q.argmax(-1, keepdim=True), 1.0)


def q_target(return_t: Tensor, discount_t: Tensor, q_next: Tensor, policy_next: Tensor) -> Tensor:
    """Return R + discount * sum_a policy(a|s') Q_target(s', a) -> [B], detached.

    Args:
        return_t: [B] n-step return up to s'.
        discount_t: [B] gamma^k for a return of k steps, 0 where the episode terminated.
        q_next: [B, A] values of s' by the target network.
        policy_next: [B, A] probabilities of the actions in s'.
    """
    return (return_t + discount_t * (policy_next * q_next).sum(1)).detach()


def td_error(q_t: Tensor, action_t: Tensor, target_t: Tensor) -> Tensor:
    """Return target - Q(s, a) for q_t [B, A] and action_t [B] int64 -> [B]."""
    return target_t - q_t.gather(1, action_t[:, None]).squeeze(1)


def error_loss(error: Tensor, kind: ErrorLoss) -> Tensor:
    """Return half the squared error, or the Huber loss with threshold 1: clipped gradients (Mnih et al. 2015)."""
    squared = 0.5 * error.square()
    if kind == "squared":
        return squared
    return torch.where(error.abs() <= 1.0, squared, error.abs() - 0.5)


def action_loss(q: Tensor, action: Tensor) -> Tensor:
    """Return logsumexp_a q - q(action) for q [B, A] and action [B] int64 -> [B].

    For logits this is the cross-entropy of the action, for values the loss of conservative Q-learning (Kumar et al.
    2020, section 3.2: CQL(H)).
    """
    return q.logsumexp(1) - q.gather(1, action[:, None]).squeeze(1)


def importance_weights(priority: Tensor, beta: float) -> Tensor:
    """Return importance weights (N P(i))^-beta / max over the batch (Schaul et al. 2016, section 3.4) -> [B].

    P(i) is the priority over the total priority. N and the total cancel, so a batch sampled from many shards in
    proportion to their totals has the same weights as one from a single large shard.
    """
    return (priority / priority.min()) ** -beta
