"""A Gaussian squashed by tanh (Haarnoja et al. 2018, arXiv:1801.01290), and its temperature (arXiv:1812.05905).

Legend: B batch, J joints.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Sampled(NamedTuple):
    """Torques that were drawn, and how likely they were."""

    action: Tensor  # [B, J] in -1..1
    log_prob: Tensor  # [B] log of the density at that action


def sample_tanh_gaussian(mean: Tensor, log_std: Tensor, noise: Tensor) -> Sampled:
    """tanh(mean + std * noise) of mean, log_std and standard normal noise, each [B, J]; gradients pass through.

    log pi(a) = sum_j log N(u_j) - log(1 - tanh(u_j)^2) (appendix C), the last term as 2 (log 2 - u - softplus(-2u)),
    which stays finite where tanh(u) is 1 to the last bit.
    """
    u = mean + log_std.exp() * noise
    log_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    log_slope = 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))
    return Sampled(torch.tanh(u), (log_normal - log_slope).sum(1))


def temperature_loss(log_temperature: Tensor, entropy: Tensor, target_entropy: float) -> Tensor:
    """alpha (H - H_target): alpha falls while the policy is more random than H_target, and rises while it is less so.

    The dual of a constraint on the entropy (arXiv:1812.05905, section 5); `entropy` [] is its mean over a batch.
    """
    return log_temperature.exp() * (entropy.detach() - target_entropy)
