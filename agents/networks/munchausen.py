"""Munchausen reinforcement learning (Vieillard et al. 2020): what the policy holds of its own action is a reward.

Legend: B batch, A actions.
"""

from __future__ import annotations

from torch import Tensor

LOWEST = -1.0  # of the scaled log-policy (section 2, l0)


def soft_policy(q: Tensor, temperature: float) -> Tensor:
    """softmax(q / temperature) of q [B, A]."""
    return (q / temperature).softmax(1)


def munchausen_reward(q_t: Tensor, action_t: Tensor, temperature: float, share: float) -> Tensor:
    """share * [temperature * ln pi(a|s)], limited to -1..0, of the target network's q_t [B, A] and action_t [B] -> [B].

    Equation 2. Of an n-step return the first action alone is looked at.
    """
    log = (q_t / temperature).log_softmax(1).gather(1, action_t[:, None]).squeeze(1)
    return share * (temperature * log).clamp(LOWEST, 0.0)


def soft_value(q: Tensor, temperature: float) -> Tensor:
    """temperature * entropy of the soft policy of q [B, A] -> [B]: the part of equation 2 beside the mean of q."""
    log = (q / temperature).log_softmax(1)
    return -temperature * (log.exp() * log).sum(1)
