"""Targets and priorities of sequences. Legend: B batch, U rows learned from, n steps of a return, A actions."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.networks.losses import greedy, n_step_return, q_target

EPSILON = 1e-3  # of h (Kapturowski et al. 2019, section 2.3)


def rescale(x: Tensor) -> Tensor:
    """Return h(x) = sign(x) (sqrt(|x| + 1) - 1) + epsilon x, which compresses large values (Pohlen et al. 2018)."""
    return x.sign() * ((x.abs() + 1.0).sqrt() - 1.0) + EPSILON * x


def restore(x: Tensor) -> Tensor:
    """Return the inverse of h (Pohlen et al. 2018, proposition A.2).

        sign(x) (((sqrt(1 + 4 epsilon (|x| + 1 + epsilon)) - 1) / (2 epsilon))^2 - 1)

    The quotient is computed as 2 (|x| + 1 + epsilon) / (sqrt(...) + 1), which loses no precision near 0.
    """
    inner = x.abs() + 1.0 + EPSILON
    root = 2.0 * inner / ((1.0 + 4.0 * EPSILON * inner).sqrt() + 1.0)
    return x.sign() * (root.square() - 1.0)


def sequence_targets(
    reward: Tensor, discount: Tensor, steps: Tensor, q_select: Tensor, q_next: Tensor, gamma: float, *, rescaled: bool
) -> Tensor:
    """Return n-step targets [B, U] of the rows learned from, without gradient (Kapturowski et al. 2019, section 2.3).

        h(sum_k gamma^k r_{t+k+1} + discount h^-1(Q_target(s', argmax_a Q_select(s', a))))

    Args:
        reward: [B, U, n] 0 after a window's end.
        discount: [B, U] gamma^k of a window of k steps, 0 where it terminated.
        steps: [B, U] int64: k; s' is k rows later.
        q_select: [B, U + n, A] values that select the next action, of the rows learned from and n more.
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
    """Return eta max_t |error| + (1 - eta) mean_t |error| [B] over valid rows (Kapturowski et al. 2019, section 2.3).

    Args:
        error: [B, U].
        valid: bool [B, U]; a sequence without valid rows has priority 0.
    """
    size = error.abs() * valid
    return eta * size.amax(1) + (1.0 - eta) * size.sum(1) / valid.sum(1).clamp(min=1)
