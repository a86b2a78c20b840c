"""Metrics of generated images as pure functions of features. Legend: N images, F features, K classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROWS = 2_000  # rows of the stock per block


def frechet_distance(a: Array, b: Array) -> float:
    """Return ||mean_a - mean_b||^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) of features [N, F], [M, F] (Heusel et al. 2017).

    The root's trace is taken from the eigenvalues of S_a^(1/2) S_b S_a^(1/2), which are real and not below 0 but for
    rounding. The value falls with the sample count even for equal distributions: compare at equal counts only.
    """
    s_a, s_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(s_a)
    root_a = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    trace_root = np.sqrt(np.linalg.eigvalsh(root_a @ s_b @ root_a).clip(0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s_a) + np.trace(s_b) - 2 * trace_root)


def kernel_distance(a: Array, b: Array) -> float:
    """Return the unbiased squared MMD with the kernel (x.y / F + 1)^3 (Binkowski et al. 2018, 3.1)."""

    def kernel(x: Array, y: Array) -> Array:
        found: Array = (x @ y.T / x.shape[1] + 1) ** 3
        return found

    n, m = len(a), len(b)
    aa, bb, ab = kernel(a, a), kernel(b, b), kernel(a, b)
    within = (aa.sum() - np.trace(aa)) / (n * (n - 1)) + (bb.sum() - np.trace(bb)) / (m * (m - 1))
    return float(within - 2 * ab.mean())


def distances(a: Array, b: Array) -> Array:
    """Return Euclidean distances [N, M] of rows [N, F] and [M, F]."""
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T  # accurate enough in float64, exact for pixels
    found: Array = np.sqrt(squared.clip(0))
    return found


def radii(features: Array, k: int) -> Array:
    """Return the distance [N] of each row [N, F] to its k-th nearest other row."""
    among = distances(features, features)
    kth: Array = np.partition(among, k, axis=1)[:, k]  # column 0 is the row itself
    return kth


def precision_recall(real: Array, fake: Array, k: int = 3) -> tuple[float, float]:
    """Return improved precision and recall (Kynkaanniemi et al. 2019, equations 1 and 2) of features [N, F], [M, F].

    Precision: share of fakes within the k-nearest-neighbour ball of some real image; recall: vice versa.
    """
    apart = distances(real, fake)
    precision = (apart <= radii(real, k)[:, None]).any(0).mean()
    recall = (apart <= radii(fake, k)[None, :]).any(1).mean()
    return float(precision), float(recall)


def density_coverage(real: Array, fake: Array, k: int = 5) -> tuple[float, float]:
    """Return density and coverage (Naeem et al. 2020, equations 3 and 4) of features [N, F] and [M, F].

    Density: real balls a fake lies in, over k, on average (above 1 where fakes crowd); coverage: share of real balls
    with a fake in them.
    """
    inside = distances(real, fake) <= radii(real, k)[:, None]
    return float(inside.sum(0).mean() / k), float(inside.any(1).mean())


def nearest(queries: NDArray[Any], stock: NDArray[Any]) -> tuple[Array, NDArray[np.int64]]:
    """Return the distance [N] of each query [N, F] to the nearest row of `stock` [M, F], and its index [N]."""
    wide = queries.astype(np.float64)
    best, index = np.full(len(queries), np.inf), np.zeros(len(queries), np.int64)
    for start in range(0, len(stock), ROWS):
        found = distances(wide, stock[start : start + ROWS].astype(np.float64))
        row, distance = found.argmin(1), found.min(1)
        index = np.where(distance < best, start + row, index)
        best = np.minimum(best, distance)
    return best, index


def class_divergence(fake: NDArray[Any], real: NDArray[Any], classes: int) -> tuple[float, int]:
    """Return KL(fake || real) in nats of class counts, from classes [N] and [M], and the number of classes of fakes.

    With a uniform real distribution over 1,000 stacks this is the KL of the published tables (Metz et al. 2017).
    """
    p, q = (np.bincount(found, minlength=classes) / len(found) for found in (fake, real))
    seen = p > 0
    if (q[seen] == 0).any():  # smooth if the real images lack a class
        q = (q * len(real) + 1) / (len(real) + classes)
    return float((p[seen] * np.log(p[seen] / q[seen])).sum()), int(seen.sum())


def confidence(probabilities: NDArray[Any]) -> float:
    """Return the mean probability of the most likely class, from probabilities [N, s, K]."""
    return float(probabilities.max(-1).mean())


def consistency(probabilities: NDArray[Any]) -> tuple[float, float]:
    """Return the share of canvases with a single class, from probabilities [N, s, K], and the chance level.

    The chance level assumes independent places with their observed class frequencies: 1 if all images have one class.
    """
    classes = probabilities.argmax(-1)
    by_place = np.stack([np.bincount(place, minlength=probabilities.shape[-1]) for place in classes.T]) / len(classes)
    return float((classes == classes[:, :1]).all(1).mean()), float(by_place.prod(0).sum())


def classes_of(probabilities: NDArray[Any]) -> NDArray[np.int64]:
    """Return classes [N] of probabilities [N, s, K]; of stacks as decimal digits: 0 .. 10^s - 1, else 0 .. K - 1."""
    single = probabilities.argmax(-1)
    numbers: NDArray[np.int64] = single @ 10 ** np.arange(single.shape[1])[::-1]
    return numbers
