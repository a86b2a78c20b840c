"""Directions in latent space, checked by algebra, slow code and a generator of bars with known latents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan.evaluation.metrics import Array
from gan.samples.directions import STEPS, correlations, explore, find, walks

NAMES = ("stroke width", "slant", "class 0", "class 1")


def world(seed: int) -> tuple[Array, Array, Array]:
    """Return correlated latents [900, 6], four attributes that are linear in them, and the slopes [6, 4]."""
    rng = np.random.default_rng(0)
    mix, slopes = rng.normal(size=(6, 6)), rng.normal(size=(6, 4))
    slopes[:, 3] = -slopes[:, 2]  # the probabilities of two classes add up to 1
    latents = np.random.default_rng(seed).normal(size=(900, 6)) @ mix + 3
    return latents, latents @ slopes + 1, slopes


def test_a_direction_changes_its_attribute_and_holds_the_others() -> None:
    latents, attributes, slopes = world(1)
    others = world(2)[:2]
    found = find(NAMES, latents, attributes, others)
    np.testing.assert_allclose(found.fit, 1, atol=1e-9)
    effects = found.steps @ slopes  # of one step in each direction (row) on each attribute (column)
    assert (np.diag(effects) > 0.1).all()
    np.testing.assert_allclose(effects[0, 1:], 0, atol=1e-8)
    np.testing.assert_allclose(effects[1, [0, 2, 3]], 0, atol=1e-8)
    np.testing.assert_allclose(effects[2:, :2], 0, atol=1e-8)
    inverse = np.linalg.inv(np.cov(latents, rowvar=False))
    np.testing.assert_allclose(np.einsum("as,st,at->a", found.steps, inverse, found.steps), 1, atol=1e-8)
    walk = walks(found, latents[:2])
    np.testing.assert_allclose(walk[3, 1, 0], latents[1] + STEPS[0] * found.steps[3])


def test_what_is_not_linear_in_the_latents_does_not_fit() -> None:
    latents, attributes, _ = world(1)
    attributes[:, 0] = np.random.default_rng(3).normal(size=len(latents))
    others = world(2)[:2]
    others[1][:, 0] = np.random.default_rng(4).normal(size=len(latents))
    fit = find(NAMES, latents, attributes, others).fit
    assert fit[0] < 0.05
    assert fit[1] > 0.99


def test_axes_along_which_nothing_varies_are_left_alone() -> None:
    latents, attributes, _ = world(1)
    flat = np.column_stack([latents, 1e-5 * np.random.default_rng(3).normal(size=len(latents))])
    assert abs(find(NAMES, flat, attributes, (flat, attributes)).steps[:, 6]).max() < 1e-6


def test_correlations_are_of_changes() -> None:
    """Correlations equal numpy's after each start's mean is removed; a constant attribute has correlation 0."""
    rng = np.random.default_rng(0)
    measured = rng.normal(size=(2, 5, len(STEPS), 2)) + 9 * rng.normal(size=(2, 5, 1, 2))
    measured[0, :, :, 0] += STEPS
    measured[1, :, :, 1] = 7.0  # constant
    found = correlations(measured)
    for direction, attribute in ((0, 0), (0, 1), (1, 0)):
        each = [row - row.mean() for row in measured[direction, :, :, attribute]]
        wanted = np.corrcoef(np.concatenate(each), np.tile(STEPS, 5))[0, 1]
        assert found[direction, attribute] == pytest.approx(wanted)
    assert found[1, 1] == 0


class Bars(nn.Module):
    """Latents [B, 4] -> bars [B, 1, 28, 28]; latent 0 sets the width, 1 the slant, 2 the shift; 3 has no effect."""

    def __init__(self) -> None:
        super().__init__()
        self.latent, self.embedding = 4, None
        self.register_parameter("nothing", nn.Parameter(torch.zeros(())))

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """Draw the bars with grey edges."""
        width, lean, side = (latent[:, index, None, None, None] for index in range(3))
        at = torch.arange(28.0) - 13.5
        across = (at - side + 0.15 * lean * at[:, None]).abs()
        ink = (1.5 + 0.2 * width - across + 0.5).clamp(0, 1) * (at[:, None].abs() < 9)
        return ink * 2 - 1


def test_bars_are_widened_and_leaned_one_at_a_time(tmp_path: Path) -> None:
    found = explore(Bars(), None, 0, tmp_path / "bars.png")
    assert found["space"] == "z"
    width, lean = found["attributes"]["stroke width"], found["attributes"]["slant"]
    assert min(width["fit"], lean["fit"]) > 0.9
    assert min(width["correlation"]["stroke width"], lean["correlation"]["slant"]) > 0.95
    assert abs(width["correlation"]["slant"]) < 0.3
    assert abs(lean["correlation"]["stroke width"]) < 0.3
    assert (tmp_path / "bars.png").stat().st_size > 1_000


def test_a_generator_without_noise_is_refused(tmp_path: Path) -> None:
    bars: Any = Bars()
    bars.latent = 0
    with pytest.raises(ValueError, match="not from noise"):
        explore(bars, None, 0, tmp_path / "none.png")
