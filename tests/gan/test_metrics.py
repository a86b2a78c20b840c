"""Scores compared with slow code, scipy's matrix root and torchmetrics on the same features."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg

from gan.evaluation import metrics
from gan.evaluation.metrics import (
    class_divergence,
    classes_of,
    confidence,
    density_coverage,
    distances,
    frechet_distance,
    kernel_distance,
    nearest,
    precision_recall,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

Array = NDArray[Any]


def clouds(seed: int, n: int = 40, m: int = 30, features: int = 5) -> tuple[Array, Array]:
    """Return two sets of correlated features with different means."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, features, features))
    return rng.normal(size=(n, features)) @ mixing[0], rng.normal(size=(m, features)) @ mixing[1] + rng.normal(
        size=features
    )


@given(seed=st.integers(0, 10_000))
def test_frechet_distance_equals_the_formula_with_scipys_root(seed: int) -> None:
    a, b = clouds(seed)
    s_a, s_b = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(s_a @ s_b).real
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s_a + s_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-5)
    assert frechet_distance(b, a) == pytest.approx(wanted, rel=1e-5)
    assert frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-5)


def test_frechet_distance_of_dead_features_is_finite() -> None:
    """The distance is finite with singular covariances: fewer samples than features, and a constant feature."""
    a, b = clouds(0, 4, 4, 9)
    a[:, 3] = b[:, 3] = 0
    assert 0 <= frechet_distance(a, b) < 1e4


@given(seed=st.integers(0, 10_000))
def test_kernel_distance_equals_the_double_sums(seed: int) -> None:
    a, b = clouds(seed, 7, 6, 3)

    def kernel(x: Array, y: Array) -> float:
        return float((x @ y / 3 + 1) ** 3)

    within_a = np.mean([kernel(a[i], a[j]) for i in range(7) for j in range(7) if i != j])
    within_b = np.mean([kernel(b[i], b[j]) for i in range(6) for j in range(6) if i != j])
    across = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(within_a + within_b - 2 * across, rel=1e-9, abs=1e-9)


class Given(torch.nn.Module):
    """A feature extractor whose images are the features themselves, [N, 1, 1, F] as uint8."""

    num_features = 6

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).double() / 8


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all:UserWarning")
def test_frechet_and_kernel_distance_equal_torchmetrics() -> None:
    """With the same extractor, the distances equal torchmetrics' FID and KID (one subset of all samples)."""
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(0, high, (50, 1, 1, 6)).astype(np.uint8) for high in (256, 180))
    a, b = (Given()(torch.from_numpy(images)).numpy() for images in (real, fake))
    fid = FrechetInceptionDistance(Given(), normalize=False)
    kid = KernelInceptionDistance(Given(), subsets=1, subset_size=50, normalize=False)
    for metric in (fid, kid):
        metric.set_dtype(torch.float64)
        metric.update(torch.from_numpy(real), real=True)
        metric.update(torch.from_numpy(fake), real=False)
    assert frechet_distance(a, b) == pytest.approx(float(fid.compute()), rel=1e-6)
    assert kernel_distance(a, b) == pytest.approx(float(kid.compute()[0]), rel=1e-6)


def ball_radii(features: Array, k: int) -> list[float]:
    """Return each image's distance to its k-th nearest neighbour."""
    return [
        sorted(float(np.linalg.norm(one - other)) for j, other in enumerate(features) if j != i)[k - 1]
        for i, one in enumerate(features)
    ]


@given(seed=st.integers(0, 10_000), k=st.integers(1, 4))
def test_precision_recall_density_coverage_equal_brute_force(seed: int, k: int) -> None:
    """The scores equal Kynkaanniemi et al. 2019 and Naeem et al. 2020, computed image by image."""
    real, fake = clouds(seed, 14, 11, 3)

    def inside(points: Array, features: Array) -> Array:
        balls = list(zip(features, ball_radii(features, k), strict=True))
        return np.array([[float(np.linalg.norm(x - centre)) <= radius for centre, radius in balls] for x in points])

    hits, back = inside(fake, real), inside(real, fake)
    assert precision_recall(real, fake, k) == pytest.approx((hits.any(1).mean(), back.any(1).mean()))
    assert density_coverage(real, fake, k) == pytest.approx((hits.sum() / (k * len(fake)), hits.any(0).mean()))


def test_the_scores_tell_collapse_from_noise() -> None:
    """Repeating one real image has precision 1 and recall near 0; samples far away have 0 in both."""
    rng = np.random.default_rng(0)
    real, other = rng.normal(size=(2, 200, 4))
    one = real[:1] + rng.normal(size=(200, 4)) * 1e-3
    assert precision_recall(real, other)[0] > 0.8
    assert precision_recall(real, other)[1] > 0.8
    assert precision_recall(real, one)[0] == 1.0
    assert precision_recall(real, one)[1] < 0.05
    assert density_coverage(real, one)[1] < 0.1
    assert precision_recall(real, other + 50) == (0.0, 0.0)
    assert frechet_distance(other, real) < frechet_distance(one, real) < frechet_distance(other + 50, real)


@given(seed=st.integers(0, 10_000))
def test_nearest_equals_brute_force_across_chunks(seed: int) -> None:
    queries, stock = clouds(seed, 9, 13, 2)
    table = np.array([[np.linalg.norm(q - s) for s in stock] for q in queries])
    np.testing.assert_allclose(distances(queries, stock), table, rtol=1e-6, atol=1e-6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "ROWS", 4)
        distance, index = nearest(queries, stock)
    np.testing.assert_allclose(distance, table.min(1), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(index, table.argmin(1))


def test_a_copyist_is_found_out() -> None:
    rng = np.random.default_rng(0)
    train, held_out, fresh = rng.normal(size=(3, 100, 4))
    held_out_distance, copied, drawn = (np.median(nearest(x, train)[0]) for x in (held_out, train[:50], fresh))
    assert copied == pytest.approx(0, abs=1e-6)
    assert drawn / held_out_distance == pytest.approx(1, abs=0.25)


def test_class_divergence_equals_the_sum() -> None:
    fake, real = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1, 2])
    wanted = 0.5 * np.log(0.5 / 0.2) + 0.5 * np.log(0.5 / 0.6)
    assert class_divergence(fake, real, 4) == (pytest.approx(wanted), 2)
    assert class_divergence(real, real, 3) == (pytest.approx(0), 3)
    kl, _ = class_divergence(np.array([3, 3]), real, 4)
    assert np.isfinite(kl)


def test_a_perfect_sampler_has_the_floor_of_the_published_protocol() -> None:
    """26,000 samples of 1,000 modes reach all modes with KL about 0.0192; 2,560 samples reach about 921."""
    rng = np.random.default_rng(0)
    even = np.arange(1000)
    kl, modes = class_divergence(rng.integers(1000, size=26_000), even, 1000)
    assert modes == 1000
    assert kl == pytest.approx(999 / (2 * 26_000), rel=0.1)  # (K - 1) / 2N
    assert class_divergence(rng.integers(1000, size=2_560), even, 1000)[1] == pytest.approx(921, abs=20)


def test_stacks_are_numbered_in_decimal() -> None:
    chances = np.zeros((2, 3, 10))
    chances[0, [0, 1, 2], [1, 0, 7]] = 0.9
    chances[1, [0, 1, 2], [0, 0, 3]] = 0.6
    assert classes_of(chances).tolist() == [107, 3]
    assert classes_of(chances[:, :1]).tolist() == [1, 0]
    assert confidence(chances) == pytest.approx(0.75)
