"""The mathematics of learning from sequences. Legend: B batch, U rows learned from, n steps of a return, A actions."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.networks.losses import greedy, n_step_return, q_target

EPSILON = 1e-3  # of h (Kapturowski et al. 2019, section 2.3)


def rescale(x: Tensor) -> Tensor:
    """h(x) = sign(x) (sqrt(|x| + 1) - 1) + epsilon x, which makes large values small (Pohlen et al. 2018)."""
    return x.sign() * ((x.abs() + 1.0).sqrt() - 1.0) + EPSILON * x


def restore(x: Tensor) -> Tensor:
    """The inverse of h (Pohlen et al. 2018, proposition A.2).

        sign(x) (((sqrt(1 + 4 epsilon (|x| + 1 + epsilon)) - 1) / (2 epsilon))^2 - 1)

    The quotient is written as 2 (|x| + 1 + epsilon) / (sqrt(...) + 1): it loses no digits near 0.
    """
    inner = x.abs() + 1.0 + EPSILON
    root = 2.0 * inner / ((1.0 + 4.0 * EPSILON * inner).sqrt() + 1.0)
    return x.sign() * (root.square() - 1.0)


def sequence_targets(
    reward: Tensor, discount: Tensor, steps: Tensor, q_select: Tensor, q_next: Tensor, gamma: float, *, rescaled: bool
) -> Tensor:
    """n-step targets of all rows learned from (Kapturowski et al. 2019, section 2.3) -> [B, U], without gradient.

        h(sum_k gamma^k r_{t+k+1} + discount h^-1(Q_target(s', argmax_a Q_select(s', a))))

    Args:
        reward: [B, U, n] 0 behind a window's end.
        discount: [B, U] gamma^k of a window of k steps, 0 where it terminated.
        steps: [B, U] int64: k, which says where s' is.
        q_select: [B, U + n, A] values that choose the next action, of the learned rows and n more.
        q_next: [B, U + n, A] the target network's values.
        rescaled: networks hold h(Q); without it h is left out.
    """
    actions = q_next.shape[-1]
    place = (torch.arange(steps.shape[1], device=steps.device) + steps).unsqueeze(-1).expand(-1, -1, actions)
    chosen = greedy(q_select.gather(1, place).flatten(0, 1))
    worth = q_next.gather(1, place).flatten(0, 1)
    return_t = n_step_return(reward.flatten(0, 1), gamma)
    target = q_target(return_t, discount.flatten(), restore(worth) if rescaled else worth, chosen)
    return (rescale(target) if rescaled else target).view_as(discount)


def mixed_priority(error: Tensor, valid: Tensor, eta: float) -> Tensor:
    """eta max_t |error| + (1 - eta) mean_t |error| over the valid rows (Kapturowski et al. 2019, section 2.3) -> [B].

    Args:
        error: [B, U].
        valid: bool [B, U]; a sequence without one has priority 0.
    """
    size = error.abs() * valid
    return eta * size.amax(1) + (1.0 - eta) * size.sum(1) / valid.sum(1).clamp(min=1)
