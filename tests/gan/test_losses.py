"""Losses compared with the papers' formulas; penalties and their gradients compared with finite differences."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from torch import nn

from gan.losses import (
    LossKind,
    LossSettings,
    between,
    discriminator_loss,
    generator_loss,
    one_centred,
    squared_slope,
    zero_centred,
)

B = 5
logits = arrays(np.float64, B, elements=st.floats(-20, 20))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def oracle(kind: str, real: NDArray[Any], fake: NDArray[Any]) -> tuple[float, float]:
    """Return both losses, pair by pair, as the papers write them (with probabilities where they do)."""
    discriminator, generator = [], []
    for r, f in zip(real, fake, strict=True):
        if kind in ("minimax", "nonsaturating"):
            discriminator.append(-math.log(sigmoid(r)) - math.log(1 - sigmoid(f)))
            generator.append(math.log(1 - sigmoid(f)) if kind == "minimax" else -math.log(sigmoid(f)))
        elif kind == "least_squares":
            discriminator.append(((r - 1) ** 2 + f**2) / 2)
            generator.append((f - 1) ** 2 / 2)
        elif kind == "hinge":
            discriminator.append(-min(0, -1 + r) - min(0, -1 - f))
            generator.append(-f)
        elif kind == "wasserstein":
            discriminator.append(f - r)
            generator.append(-f)
        else:
            discriminator.append(-math.log(sigmoid(r - f)))
            generator.append(-math.log(sigmoid(f - r)))
    return float(np.mean(discriminator)), float(np.mean(generator))


@pytest.mark.parametrize("kind", get_args(LossKind))
@given(real=logits, fake=logits)
def test_losses_equal_the_papers(kind: LossKind, real: NDArray[Any], fake: NDArray[Any]) -> None:
    wanted = oracle(kind, real, fake)
    r, f = torch.from_numpy(real), torch.from_numpy(fake)
    assert float(discriminator_loss(kind, r, f)) == pytest.approx(wanted[0], rel=1e-6, abs=1e-6)
    assert float(generator_loss(kind, r, f)) == pytest.approx(wanted[1], rel=1e-6, abs=1e-6)


def test_minimax_is_one_sum_seen_from_both_sides_and_saturates() -> None:
    """Minimax gradients at fakes are opposite and vanish at confident logits; the non-saturating one stays near -1."""
    slopes = {}
    for name, loss in (("d", discriminator_loss), ("g", generator_loss)):
        for kind in ("minimax", "nonsaturating"):
            fake = torch.full((B,), -12.0, requires_grad=True)
            loss(kind, torch.zeros(B), fake).backward()  # type: ignore[arg-type, no-untyped-call]
            assert fake.grad is not None
            slopes[name, kind] = float(fake.grad.sum())
    assert slopes["d", "minimax"] == pytest.approx(-slopes["g", "minimax"])
    assert abs(slopes["g", "minimax"]) < 1e-4
    assert slopes["g", "nonsaturating"] == pytest.approx(-1, abs=1e-4)


class Curved(nn.Module):
    """A discriminator with second derivatives everywhere, in float64."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(inputs, 6), nn.Tanh(), nn.Linear(6, 1)).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(x.flatten(1)).squeeze(1)
        return out


@torch.no_grad()
def numeric_slopes(network: nn.Module, images: torch.Tensor, pack: int = 1) -> torch.Tensor:
    """Return the squared norm of the logit's gradient at each image by central differences."""
    step, found = 1e-5, torch.zeros(len(images), dtype=torch.float64)
    for b in range(len(images)):
        for index in np.ndindex(*images.shape[1:]):
            up, down = images.clone(), images.clone()
            up[(b, *index)] += step
            down[(b, *index)] -= step
            found[b] += ((network(up)[b // pack] - network(down)[b // pack]) / (2 * step)) ** 2
    return found


def test_penalties_equal_numeric_slopes() -> None:
    """R1 and R2: half the mean squared gradient norm; Wasserstein: mean squared distance of that norm from 1."""
    torch.manual_seed(1)
    network, images = Curved(4), torch.randn(B, 1, 2, 2, dtype=torch.float64)
    slopes = numeric_slopes(network, images)
    leaf = images.clone().requires_grad_()
    squared = squared_slope(network(leaf), leaf).detach()
    torch.testing.assert_close(squared, slopes.float(), rtol=1e-4, atol=1e-7)
    assert float(zero_centred(squared, B)) == pytest.approx(float(slopes.mean() / 2), rel=1e-4)
    assert float(one_centred(squared)) == pytest.approx(float(((slopes.sqrt() - 1) ** 2).mean()), rel=1e-4)


def test_packed_penalties_count_logits() -> None:
    """With two images per logit, the gradient's norm is over the pixels of both."""
    torch.manual_seed(2)
    body, images = Curved(8), torch.randn(6, 1, 2, 2, dtype=torch.float64)
    network = nn.Sequential(nn.Unflatten(0, (-1, 2)), nn.Flatten(1), body)
    slopes = numeric_slopes(network, images, pack=2).view(3, 2).sum(1)
    leaf = images.clone().requires_grad_()
    squared = squared_slope(network(leaf), leaf).detach()
    assert float(zero_centred(squared, 3)) == pytest.approx(float(slopes.mean() / 2), rel=1e-4)
    assert float(one_centred(squared, pack=2)) == pytest.approx(float(((slopes.sqrt() - 1) ** 2).mean()), rel=1e-4)


@pytest.mark.parametrize("centre", [0, 1])
def test_gradients_of_penalties_equal_numeric_ones(centre: int) -> None:
    """The penalties' gradients by the discriminator's weights equal central differences in every weight."""
    torch.manual_seed(3)
    network, images = Curved(4), torch.randn(B, 1, 2, 2, dtype=torch.float64)

    def penalty() -> torch.Tensor:
        leaf = images.clone().requires_grad_()
        (slope,) = torch.autograd.grad(network(leaf).sum(), leaf, create_graph=True)
        squared = slope.flatten(1).square().sum(1)  # in float64: squared_slope rounds to float32
        return zero_centred(squared, B) if centre == 0 else one_centred(squared)

    leaf = images.clone().requires_grad_()
    squared = squared_slope(network(leaf), leaf)
    ours = torch.autograd.grad(
        zero_centred(squared, B) if centre == 0 else one_centred(squared), list(network.parameters()), allow_unused=True
    )
    felt = 0.0
    for weight, gradient in zip(network.parameters(), ours, strict=True):
        for index in np.ndindex(*weight.shape):
            with torch.no_grad():
                weight[index] += 1e-5
            up = float(penalty().detach())
            with torch.no_grad():
                weight[index] -= 2e-5
            down = float(penalty().detach())
            with torch.no_grad():
                weight[index] += 1e-5
            mine = 0.0 if gradient is None else float(gradient[index])
            assert mine == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=1e-6)
            felt += abs(mine)
    assert felt > 0.01


def test_points_between_lie_on_the_lines() -> None:
    real, fake = torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2)
    middle = between(real, fake, torch.tensor([0.0, 0.25, 1.0]))
    assert middle.flatten(1).tolist() == [[0.0] * 4, [0.25] * 4, [1.0] * 4]


def test_a_flat_discriminator_has_a_finite_penalty_gradient() -> None:
    leaf = torch.zeros(2, 1, 2, 2, requires_grad=True)
    weight = torch.zeros(4, requires_grad=True)
    one_centred(squared_slope((leaf.flatten(1) * weight).sum(1), leaf)).backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize(
    "values", [{"kind": "mean"}, {"penalty": "r3"}, {"weight": -1.0}, {"weight": float("nan")}, {"every": 0}]
)
def test_impossible_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"loss\."):
        LossSettings(**values)
