"""The residual network of IMPALA (Espeholt et al. 2018, figure 3), as in "Beyond the Rainbow", for GPUs.

Twice the channels, spectral norm on the residual convolutions and adaptive max pooling (Clark et al. 2024, section 3).
Legend: B batch, C channels, H, W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

CHANNELS, HIDDEN, POOLED = (32, 64, 64), 512, 6


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value (Miyato et al. 2018), estimated by power iteration.

    The estimate is updated by one iteration per training pass; inference does not change it.
    """

    left: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("left", torch.ones(weight.shape[0]) / weight.shape[0] ** 0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """Normalise a weight [C, ...]."""
        matrix = weight.flatten(1)
        with torch.no_grad():
            right = nn.functional.normalize(matrix.t() @ self.left, dim=0)
            left = nn.functional.normalize(matrix @ right, dim=0)
        if torch.is_grad_enabled() and weight.requires_grad:
            self.left.copy_(left)
        return weight / (left @ (matrix @ right))


class Residual(nn.Module):
    """Residual block: x plus two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        convs = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)]
        for conv in convs:
            parametrize.register_parametrization(conv, "weight", SpectralNorm(conv.weight))
        self.convs = nn.Sequential(nn.ReLU(), convs[0], nn.ReLU(), convs[1])

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] -> the same shape."""
        found: Tensor = self.convs(x)
        return x + found


class Impala(nn.Module):
    """Pixels [B, C, H, W] in 0..1 -> 512 features; see `agents.networks.custom_torso` for its arguments."""

    def __init__(self, shape: tuple[int, ...], stack: int) -> None:
        super().__init__()
        if len(shape) != 3:
            raise ValueError("it takes pixels: use mlp for vectors")
        layers: list[nn.Module] = []
        before = shape[0]
        for channels in CHANNELS:
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.MaxPool2d(3, 2, padding=1)]
            layers += [Residual(channels), Residual(channels)]
            before = channels
        layers += [nn.ReLU(), nn.AdaptiveMaxPool2d(POOLED), nn.Flatten()]
        self.layers = nn.Sequential(*layers, nn.Linear(before * POOLED**2, HIDDEN), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Return features [B, 512]."""
        features: Tensor = self.layers(x)
        return features
