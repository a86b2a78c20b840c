"""C51 (Bellemare et al. 2017, "A Distributional Perspective on RL"): a distribution of returns for every action.

Legend: B batch, A actions, Z atoms.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.networks.heads import TAKEN, HeadLoss, of_action
from agents.networks.losses import ErrorLoss


class CategoricalHead:
    """Logits of `atoms` evenly spaced returns from `low` to `high`; a value is their expectation."""

    def __init__(self, atoms: int, low: float, high: float) -> None:
        self.outputs, self.low, self.high = atoms, low, high

    def support(self, like: Tensor) -> Tensor:
        """Return the atoms [Z]."""
        return torch.linspace(self.low, self.high, self.outputs, device=like.device)

    def q(self, out: Tensor) -> Tensor:
        """Return expected values [B, A] of logits [B, A, Z]."""
        with torch.autocast(out.device.type, enabled=False):  # avoids rounding to bfloat16
            return out.softmax(2) @ self.support(out)

    def target(self, return_t: Tensor, discount_t: Tensor, out_next: Tensor, policy_next: Tensor) -> Tensor:
        """Return the distribution of R + discount * Z(s', a'), projected onto the atoms: [B, Z]."""
        chosen = torch.einsum("ba,baz->bz", policy_next, out_next.softmax(2))
        moved = return_t[:, None] + discount_t[:, None] * self.support(out_next)
        return self.project(chosen, moved).detach()

    def project(self, probability: Tensor, value: Tensor) -> Tensor:
        """Project probabilities [B, Z] of values [B, Z] onto the two nearest atoms (algorithm 1) -> [B, Z]."""
        atoms, gap = self.support(value), (self.high - self.low) / (self.outputs - 1)
        distance = (value.clamp(self.low, self.high)[:, None, :] - atoms[None, :, None]).abs() / gap
        return ((1 - distance).clamp(min=0) @ probability[:, :, None]).squeeze(2)

    def loss(self, out_t: Tensor, action_t: Tensor, target: Tensor, error: ErrorLoss) -> HeadLoss:
        """Return the cross-entropy with the target; priorities are KL divergences (Hessel et al. 2018, Rainbow)."""
        log = of_action(out_t, action_t).log_softmax(1)
        loss = -(target * log).sum(1)
        seen = log.detach()
        divergence = (loss.detach() + torch.xlogy(target, target).sum(1)).clamp(min=0)
        return HeadLoss(loss, divergence, {"divergence": divergence, TAKEN: seen.exp() @ self.support(log)})
