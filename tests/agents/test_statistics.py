"""Statistics of many runs against slow oracles written from the paper, against scipy, and against exact bootstraps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from agents.evaluation.bootstrap import (
    Scores,
    iqm,
    mean,
    median,
    optimality_gap,
    probability_of_improvement,
    score_distribution,
    stratified_bootstrap,
)

VALUES = st.integers(-40, 40).map(lambda number: number / 8)  # exact in binary, and often equal to one another
THRESHOLDS = np.linspace(-6, 6, 25)
STATISTICS: dict[str, Callable[..., Scores]] = {
    "iqm": iqm,
    "mean": mean,
    "median": median,
    "gap": optimality_gap,
    "profile": partial(score_distribution, thresholds=THRESHOLDS),
}


@st.composite
def matrices(draw: st.DrawFn, count: int = 1) -> list[NDArray[np.float64]]:
    """Draw `count` matrices [R, M] of the same number of tasks M, each with its own number of runs R."""
    tasks = draw(st.integers(1, 5))
    shapes = [(draw(st.integers(1, 9)), tasks) for _ in range(count)]
    return [draw(arrays(np.float64, shape, elements=VALUES)) for shape in shapes]


def tasks_of(matrix: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the columns of [R, M]."""
    return list(matrix.T)


def slow_iqm(matrix: NDArray[np.float64]) -> float:
    """Return the mean of the middle half of all runs and tasks together (section 4.3)."""
    middle = sorted(matrix.ravel())[math.floor(matrix.size / 4) : math.ceil(matrix.size * 3 / 4)]
    return sum(middle) / len(middle)


def slow_profile(matrix: NDArray[np.float64], threshold: float) -> float:
    """Return (1 / M) sum over tasks of (1 / N) sum over runs of [x > threshold] (section 4.2)."""
    runs, tasks = matrix.shape
    return sum(sum(matrix[n, m] > threshold for n in range(runs)) / runs for m in range(tasks)) / tasks


def slow_improvement(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return (1 / M) sum over tasks of (1 / NK) sum over pairs of 1 for a win, 1/2 for a draw (section 4)."""
    total = 0.0
    for m in range(x.shape[1]):
        pairs = [(1.0 if a > b else 0.5 if a == b else 0.0) for a in x[:, m] for b in y[:, m]]
        total += sum(pairs) / len(pairs)
    return total / x.shape[1]


@given(matrices())
def test_aggregates_equal_the_paper_s(given_matrices: list[NDArray[np.float64]]) -> None:
    (matrix,) = given_matrices
    runs, tasks = matrix.shape
    means = [sum(matrix[:, m]) / runs for m in range(tasks)]
    columns = tasks_of(matrix)
    assert float(iqm(columns)) == pytest.approx(slow_iqm(matrix))
    assert float(iqm(columns)) == pytest.approx(scipy.stats.trim_mean(matrix, 0.25, axis=None))
    assert float(mean(columns)) == pytest.approx(sum(means) / tasks)
    middle = sorted(means)[(tasks - 1) // 2 : tasks // 2 + 1]
    assert float(median(columns)) == pytest.approx(sum(middle) / len(middle))
    short = [max(0.0, 1.0 - value) for value in matrix.ravel()]
    assert float(optimality_gap(columns)) == pytest.approx(sum(short) / len(short))
    profile = score_distribution(columns, THRESHOLDS)
    assert profile.tolist() == pytest.approx([slow_profile(matrix, threshold) for threshold in THRESHOLDS])


@given(matrices(2))
def test_improvement_equals_the_paper_s(pair: list[NDArray[np.float64]]) -> None:
    """The probability equals scipy's U statistic; both directions sum to 1; a group against itself gives 0.5."""
    x, y = pair
    found = float(probability_of_improvement(tasks_of(x), tasks_of(y)))
    assert found == pytest.approx(slow_improvement(x, y))
    u = [scipy.stats.mannwhitneyu(a, b, method="asymptotic").statistic for a, b in zip(x.T, y.T, strict=True)]
    assert found == pytest.approx(np.mean(u) / (len(x) * len(y)))
    assert found + float(probability_of_improvement(tasks_of(y), tasks_of(x))) == pytest.approx(1.0)
    assert float(probability_of_improvement(tasks_of(x), tasks_of(x))) == pytest.approx(0.5)


@given(matrices(), st.randoms())
def test_order_of_runs_and_tasks_does_not_matter(given_matrices: list[NDArray[np.float64]], random: Any) -> None:
    (matrix,) = given_matrices
    columns = [np.array(random.sample(list(column), len(column))) for column in matrix.T]
    random.shuffle(columns)
    for statistic in STATISTICS.values():
        np.testing.assert_allclose(statistic(columns), statistic(tasks_of(matrix)), atol=1e-12)


@given(matrices(), st.integers(-3, 3), st.sampled_from([0.5, 2.0, 4.0]))
def test_bounds_and_scales(given_matrices: list[NDArray[np.float64]], shift: int, scale: float) -> None:
    (matrix,) = given_matrices
    columns = tasks_of(matrix)
    for statistic in (iqm, mean, median):
        assert matrix.min() <= float(statistic(columns)) <= matrix.max()
        moved = statistic([scale * column + shift for column in columns])
        assert float(moved) == pytest.approx(scale * float(statistic(columns)) + shift, abs=1e-9)
    profile = score_distribution(columns, THRESHOLDS)
    assert (np.diff(profile) <= 0).all()
    assert (profile[0], profile[-1]) == (1.0, 0.0)
    assert float(optimality_gap(columns)) >= max(0.0, 1.0 - float(mean(columns))) - 1e-12


@given(matrices(4))
def test_axes_in_front_are_computed_one_by_one(group: list[NDArray[np.float64]]) -> None:
    """A statistic of stacked resamples equals that of each resample alone."""
    runs = min(len(matrix) for matrix in group)
    stacked = [np.stack([matrix[:runs, m] for matrix in group]) for m in range(group[0].shape[1])]  # M of [4, R]
    for statistic in STATISTICS.values():
        together = np.moveaxis(statistic(stacked), -1, 0)
        for one, alone in zip(together, group, strict=True):
            np.testing.assert_allclose(one, statistic(tasks_of(alone[:runs])), atol=1e-12)


def test_unequal_numbers_of_runs() -> None:
    """The interquartile mean weighs all runs equally, the other statistics all tasks."""
    tasks = [np.array([0.0, 0.0, 0.0, 0.0]), np.array([1.0, 3.0])]
    assert float(iqm(tasks)) == 0.25
    assert float(mean(tasks)) == float(median(tasks)) == 1.0
    assert float(optimality_gap(tasks)) == 0.5
    assert score_distribution(tasks, np.array([0.0, 2.0])).tolist() == [0.5, 0.25]


def exact_interval(statistic: Callable[..., Scores], tasks: list[NDArray[np.float64]], confidence: float) -> Any:
    """Return percentiles over all resamples: each task's runs in all combinations, independently."""
    drawn = [[task[list(pick)] for pick in itertools.product(range(len(task)), repeat=len(task))] for task in tasks]
    values = [float(statistic(list(resample))) for resample in itertools.product(*drawn)]
    return np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")


@pytest.mark.parametrize("confidence", [0.5, 0.8])
@pytest.mark.parametrize("name", ["iqm", "mean", "median", "gap"])
def test_intervals_equal_the_exact_bootstrap(name: str, confidence: float) -> None:
    """Intervals come within 0.03 of the percentiles over all 27 x 4 resamples."""
    tasks = [np.array([0.1, 0.23, 0.71]), np.array([0.33, 0.95])]
    low, high = exact_interval(STATISTICS[name], tasks, confidence)
    found = stratified_bootstrap(STATISTICS[name], tasks, confidence=confidence, resamples=40_000)
    assert float(found.estimate) == pytest.approx(float(STATISTICS[name](tasks)))
    assert float(found.low) == pytest.approx(low, abs=0.03)
    assert float(found.high) == pytest.approx(high, abs=0.03)


def test_runs_are_drawn_within_their_task() -> None:
    """Tasks of very different scores with equal runs each give an interval of no width."""
    same = [np.full(6, score) for score in (0.0, 1.0, 5.0, 100.0)]
    assert [float(value) for value in stratified_bootstrap(iqm, same)] == [3.0, 3.0, 3.0]


def test_a_curve_is_drawn_as_a_whole() -> None:
    """The points of a run are drawn together: equal points have equal intervals, a tenfold point a tenfold one."""
    runs = np.array([1.0, 2.0, 4.0, 9.0])
    found = stratified_bootstrap(mean, [np.stack([runs, runs, 10 * runs])], resamples=500)
    assert found.estimate.tolist() == [4.0, 4.0, 40.0]
    assert found.low[0] == found.low[1] < 4.0 < found.high[0] == found.high[1]
    np.testing.assert_allclose([found.low[2], found.high[2]], [10 * found.low[0], 10 * found.high[0]])


def test_groups_are_drawn_independently() -> None:
    """A group against itself has an interval with a width, as both sides are resampled independently."""
    group = [np.array([1.0, 2.0, 3.0, 4.0])]
    found = stratified_bootstrap(probability_of_improvement, group, group)
    assert float(found.estimate) == 0.5
    assert float(found.low) < 0.25 < 0.75 < float(found.high)


def test_intervals_narrow_with_runs_repeat_and_vanish_for_one() -> None:
    rng = np.random.default_rng(0)
    few, many = (stratified_bootstrap(iqm, list(rng.normal(size=(5, runs)))) for runs in (4, 64))
    assert few.low < few.estimate < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    tasks = list(rng.normal(size=(3, 4)))
    once, again, other = (stratified_bootstrap(iqm, tasks, seed=seed) for seed in (1, 1, 2))
    assert once == again != other
    assert [float(value) for value in stratified_bootstrap(iqm, [np.array([7.0])])] == [7.0] * 3


@pytest.mark.parametrize("tasks", [[], [np.zeros(0)], [np.array([1.0, np.nan])], [np.array(1.0)]])
def test_scores_must_be_runs_of_tasks(tasks: Any) -> None:
    with pytest.raises(ValueError, match="give finite numbers, runs in every task"):
        stratified_bootstrap(iqm, tasks)


def test_groups_must_have_the_same_tasks() -> None:
    one, two = [np.ones(2)], [np.ones(2), np.ones(2)]
    with pytest.raises(ValueError, match="give runs of the same tasks"):
        stratified_bootstrap(probability_of_improvement, one, two)
