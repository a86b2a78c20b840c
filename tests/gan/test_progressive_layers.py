"""Layers and growth plan of progressive growing, compared with slow code."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gan.layers import PixelNorm, Pointwise, SmoothConv2d, equalised
from gan.progressive.growth import GrowthSettings, downsample, level_at, upsample
from gan.progressive.settings import ProgressiveSettings, check_growth
from tests.gan.test_progressive import players
from training.settings import changed


def test_pixel_norm_is_over_features() -> None:
    x = torch.randn(2, 3, 2, 2)
    found = PixelNorm()(x)
    for n, row, column in np.ndindex(2, 2, 2):
        features = x[n, :, row, column]
        wanted = features / math.sqrt(sum(float(f) ** 2 for f in features) / 3)
        torch.testing.assert_close(found[n, :, row, column], wanted, rtol=1e-5, atol=1e-6)


def test_a_pointwise_layer_is_a_convolution_of_kernel_one() -> None:
    layer, x = Pointwise(3, 2), torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight[:, :, None, None], layer.bias))


@pytest.mark.parametrize("kind", ["linear", "down", "up"])
def test_equalised_layers_keep_the_size_of_what_they_are_given(kind: str) -> None:
    """Raw weights have unit deviation, and unit inputs give outputs of variance 2 (for the ReLU that follows)."""
    torch.manual_seed(0)
    made: dict[str, tuple[Any, Tensor]] = {
        "linear": (nn.Linear(200, 300), torch.randn(100, 200)),
        "down": (SmoothConv2d(30, 40, 4, 2, 1), torch.randn(20, 30, 16, 16)),
        "up": (nn.ConvTranspose2d(30, 40, 4, 2, 1), torch.randn(20, 30, 8, 8)),
    }
    layer, x = made[kind]
    found = equalised(layer)(x).detach()
    inner = found if kind == "linear" else found[:, :, 2:-2, 2:-2]
    assert float(inner.var()) == pytest.approx(2.0, rel=0.15)
    (raw,) = (p for name, p in layer.named_parameters() if "weight" in name)
    assert float(raw.detach().std()) == pytest.approx(1.0, rel=0.05)
    inputs = {"linear": 200, "down": 30 * 16, "up": 30 * 4}[kind]
    torch.testing.assert_close(layer.weight, raw * math.sqrt(2 / inputs))


@given(times=st.integers(0, 2), seed=st.integers(0, 99))
def test_sizes_are_halved_by_means_and_doubled_by_repeating(times: int, seed: int) -> None:
    images = np.random.default_rng(seed).normal(size=(2, 1, 8, 8)).astype(np.float32)
    small = images.copy()
    for _ in range(times):
        small = (small[:, :, ::2, ::2] + small[:, :, 1::2, ::2] + small[:, :, ::2, 1::2] + small[:, :, 1::2, 1::2]) / 4
    np.testing.assert_allclose(downsample(torch.from_numpy(images), times), small, atol=1e-6)
    large = images.repeat(2**times, 2).repeat(2**times, 3)
    np.testing.assert_array_equal(upsample(torch.from_numpy(images), times), large)


@given(
    stages=st.integers(1, 3),
    stable=st.integers(0, 5),
    fade=st.integers(0, 5),
    images=st.integers(0, 40),
    top=st.just(2),
)
def test_levels_follow_the_plan_image_by_image(stages: int, stable: int, fade: int, images: int, top: int) -> None:
    level, plan = float(top - stages + 1), []
    while level < top:
        plan += [level] * stable
        plan += [level + step / fade for step in range(fade)]
        level += 1
    wanted = [*plan, *[float(top)] * 50][images]
    growth = GrowthSettings(stages=stages, stable_images=stable, fade_images=fade)
    assert level_at(images, growth, top) == pytest.approx(wanted)


@given(
    stages=st.integers(1, 3),
    stable=st.integers(0, 9),
    fade=st.integers(0, 9),
    batch=st.integers(1, 4),
    critic=st.integers(1, 3),
)
def test_every_size_has_an_update_or_is_refused(stages: int, stable: int, fade: int, batch: int, critic: int) -> None:
    """Settings under which some size would get no update, or the last no full-size update, are refused."""
    growth, update = GrowthSettings(stages=stages, stable_images=stable, fade_images=fade), batch * critic
    given = {"training.batch_size": batch, "training.critic_steps": critic}
    settings = replace(changed(ProgressiveSettings(), given), growth=growth)
    whole = -(-growth.images // update) * update  # images seen before the first update at the last level
    ends = {images: changed(settings.training, {"images": images}) for images in (max(whole, 1), whole + 1)}
    if stages > 1 and stable + fade < update:
        with pytest.raises(ValueError, match=f"are {stable + fade} together, an update takes {update}: give"):
            check_growth(replace(settings, training=ends[whole + 1]))
        return
    check_growth(replace(settings, training=ends[whole + 1]))
    levels = [level_at(images, growth, 2) for images in range(0, whole + 1, update)]
    assert {math.ceil(level) for level in levels} == set(range(3 - stages, 3))
    assert levels[-1] == 2
    if whole:
        with pytest.raises(ValueError, match=f"give more, {whole + 1} at least"):
            check_growth(replace(settings, training=ends[whole]))


def test_small_sizes_are_shown_enlarged() -> None:
    generator, _ = players(0.0)
    latent, label = torch.randn(2, 5), torch.tensor([0, 1])
    torch.testing.assert_close(generator(latent, label), upsample(generator.grown(latent, label, 0.0), 2))
