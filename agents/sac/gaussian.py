"""Tanh-squashed Gaussian (Haarnoja et al. 2018, arXiv:1801.01290) and entropy temperature (arXiv:1812.05905).

Legend: B batch, J joints.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Sampled(NamedTuple):
    """Sampled torques and their log density."""

    action: Tensor  # [B, J] in -1..1
    log_prob: Tensor  # [B] log of the density at that action


def sample_tanh_gaussian(mean: Tensor, log_std: Tensor, noise: Tensor) -> Sampled:
    """Return tanh(mean + std * noise) with gradients; mean, log_std and standard normal noise are [B, J] each.

    log pi(a) = sum_j log N(u_j) - log(1 - tanh(u_j)^2) (appendix C), the last term as 2 (log 2 - u - softplus(-2u)),
    which stays finite where tanh(u) rounds to 1.
    """
    u = mean + log_std.exp() * noise
    log_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    log_slope = 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))
    return Sampled(torch.tanh(u), (log_normal - log_slope).sum(1))


def temperature_loss(log_temperature: Tensor, entropy: Tensor, target_entropy: float) -> Tensor:
    """Return alpha (H - H_target): alpha falls while the entropy is above its target, and rises while it is below.

    The dual of a constraint on the entropy (arXiv:1812.05905, section 5); `entropy` [] is the mean over a batch.
    """
    return log_temperature.exp() * (entropy.detach() - target_entropy)
