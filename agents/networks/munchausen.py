"""Munchausen reinforcement learning (Vieillard et al. 2020): the scaled log-policy is added to the reward.

Legend: B batch, A actions.
"""

from __future__ import annotations

from torch import Tensor

LOWEST = -1.0  # of the scaled log-policy (section 2, l0)


def soft_policy(q: Tensor, temperature: float) -> Tensor:
    """Return softmax(q / temperature) for q [B, A]."""
    return (q / temperature).softmax(1)


def munchausen_reward(q_t: Tensor, action_t: Tensor, temperature: float, share: float) -> Tensor:
    """Return share * [temperature * ln pi(a|s)] clipped to -1..0, for the target network's q_t [B, A] -> [B].

    Equation 2; of an n-step return only the first action counts. `action_t` is [B] int64.
    """
    log = (q_t / temperature).log_softmax(1).gather(1, action_t[:, None]).squeeze(1)
    return share * (temperature * log).clamp(LOWEST, 0.0)


def soft_value(q: Tensor, temperature: float) -> Tensor:
    """Return temperature * entropy of the soft policy of q [B, A] -> [B], the entropy term of equation 2."""
    log = (q / temperature).log_softmax(1)
    return -temperature * (log.exp() * log).sum(1)
