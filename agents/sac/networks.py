"""Actor and critic of CrossQ: small dense networks with batch renorm. Legend: B batch, K stack, D numbers, J joints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.settings import check_kinds

EPSILON = 1e-3  # added to the variance, as in the authors' code
MOMENTUM = 0.01  # weight of a batch in the running statistics
R_MAX, D_MAX = 3.0, 5.0  # bounds of the corrections (Ioffe 2017, section 3)
LOG_STD = (-20.0, 2.0)  # bounds of the actor's log standard deviation


@dataclass(frozen=True, kw_only=True)
class SacNetworkSettings:
    """Sizes of the networks."""

    stack: int = 1  # frames an observation holds
    actor_units: int = 256  # of each of the two hidden layers
    critic_units: int = 2048

    def __post_init__(self) -> None:
        check_kinds(self, "network")
        for name in ("stack", "actor_units", "critic_units"):
            if getattr(self, name) < 1:
                raise ValueError(f"network.{name} is {getattr(self, name)}: use 1 or more")


class BatchRenorm(nn.Module):
    """Batch renormalisation (Ioffe 2017, algorithm 1) of [B, F].

    A learning pass normalises with the batch statistics and, once `renorm_enabled` is set, moves the result towards
    that of the running statistics by r and d, which have no gradient. Every other pass uses the running statistics.
    """

    mean: Tensor
    var: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("var", torch.ones(features))
        self.renorm_enabled = False

    def forward(self, x: Tensor, *, learns: bool) -> Tensor:
        """Normalise [B, F] -> [B, F]; `learns` also updates the running statistics, by 1 %."""
        if not learns:
            scale = self.weight * (self.var + EPSILON).rsqrt()
            return torch.addcmul(self.bias - self.mean * scale, x, scale)
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if self.renorm_enabled:
            r, d = self._corrections(x.detach())
            weight, bias = weight * r, bias + weight * d
        # The corrections are a factor and an offset per feature, so they fold into the weight and bias of a batch norm.
        return F.batch_norm(x, self.mean, self.var, weight, bias, True, MOMENTUM, EPSILON)

    def _corrections(self, x: Tensor) -> tuple[Tensor, Tensor]:
        var, mean = torch.var_mean(x, 0, correction=0)
        running = (self.var + EPSILON).rsqrt()
        r = (var + EPSILON).sqrt() * running
        d = (mean - self.mean) * running
        return r.clamp(1.0 / R_MAX, R_MAX), d.clamp(-D_MAX, D_MAX)


class Body(nn.Module):
    """Norm, then twice: dense layer, ReLU, norm. [B, F] -> [B, units]."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([BatchRenorm(features), BatchRenorm(units), BatchRenorm(units)])
        self.layers = nn.ModuleList([nn.Linear(features, units), nn.Linear(units, units)])

    def forward(self, x: Tensor, *, learns: bool) -> Tensor:
        """Return features [B, units]; see `BatchRenorm` for `learns`."""
        x = self.norms[0](x, learns=learns)
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            x = norm(F.relu(layer(x)), learns=learns)
        return x


class Actor(nn.Module):
    """Observations [B, 1, K, D] -> mean and log std of each torque before tanh, [B, J] each, float32."""

    pixels = False  # no saliency maps

    def __init__(self, settings: SacNetworkSettings, frame_shape: tuple[int, ...], joints: int) -> None:
        super().__init__()
        self.stack, self.joints = settings.stack, joints
        self.body = Body(math.prod(frame_shape) * settings.stack, settings.actor_units)
        self.out = nn.Linear(settings.actor_units, 2 * joints)

    def forward(self, obs: Tensor, *, learns: bool = False) -> tuple[Tensor, Tensor]:
        """Return mean and log std, [B, J] each."""
        mean, log_std = self.out(self.body(obs.flatten(1), learns=learns)).float().chunk(2, dim=1)
        return mean, log_std.clamp(*LOG_STD)


class Critic(nn.Module):
    """Observations [B, 1, K, D] and torques [B, J] -> values [B], float32."""

    def __init__(self, settings: SacNetworkSettings, frame_shape: tuple[int, ...], joints: int) -> None:
        super().__init__()
        self.body = Body(math.prod(frame_shape) * settings.stack + joints, settings.critic_units)
        self.out = nn.Linear(settings.critic_units, 1)

    def forward(self, obs: Tensor, action: Tensor, *, learns: bool = False) -> Tensor:
        """Return values [B]."""
        found: Tensor = self.out(self.body(torch.cat([obs.flatten(1), action], 1), learns=learns)).float().squeeze(1)
        return found
