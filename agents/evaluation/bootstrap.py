"""Aggregate statistics of scores over runs with bootstrap intervals, after Agarwal et al. (2021), "Deep Reinforcement
Learning at the Edge of the Statistical Precipice" (arXiv 2108.13264).

`tasks` is a sequence of M arrays, one for each task (game): `tasks[m]` is float [..., N_m], a score for each of its N_m
independent runs, normalised if tasks are pooled. A statistic reduces runs (the last axis) and tasks; leading axes are
kept, so that all resamples are computed at once. The paper has the same number of runs for every task; if the numbers
differ, `iqm` weighs runs equally and the others weigh tasks equally.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Tasks = Sequence[Scores]
RESAMPLES = 10_000


class Interval(NamedTuple):
    """A point estimate and the confidence interval around it, each float [...]."""

    estimate: Scores
    low: Scores
    high: Scores


def iqm(tasks: Tasks) -> Scores:
    """Compute the interquartile mean [...] of all runs of all tasks together (section 4.3): the lowest and the highest
    quarter are cut off, each rounded down to whole runs."""
    ordered = np.sort(np.concatenate(list(tasks), axis=-1), axis=-1)
    runs = ordered.shape[-1]
    middle: Scores = ordered[..., runs // 4 : runs - runs // 4].mean(-1)
    return middle


def mean(tasks: Tasks) -> Scores:
    """Compute the mean [...] over tasks of the mean over runs (section 2). Outlier tasks may dominate it."""
    return np.asarray(_run_means(tasks).mean(0))


def median(tasks: Tasks) -> Scores:
    """Compute the median [...] over tasks of the mean over runs (section 2). Zeros in nearly half of the tasks would
    not change it."""
    return np.asarray(np.median(_run_means(tasks), axis=0))


def optimality_gap(tasks: Tasks, target: float = 1.0) -> Scores:
    """Compute how far [...] scores, clipped at `target`, fall short of it on average (section 4.3)."""
    return np.asarray(target - _run_means([np.minimum(task, target) for task in tasks]).mean(0))


def score_distribution(tasks: Tasks, thresholds: Scores) -> Scores:
    """Compute the share of runs that score above each threshold [T], averaged over tasks: [T, ...]. This is the
    performance profile (section 4.2, the run-score distribution)."""
    shares = [(task > thresholds.reshape(-1, *[1] * task.ndim)).mean(-1) for task in tasks]
    return np.asarray(np.mean(shares, axis=0))


def probability_of_improvement(ours: Tasks, theirs: Tasks) -> Scores:
    """Estimate the probability [...] that a run of ours beats one of theirs in a random task; a draw counts half
    (section 4: the Mann-Whitney U statistic over the number of pairs, averaged over tasks)."""
    shares = []
    for x, y in zip(ours, theirs, strict=True):
        wins = x[..., :, None] > y[..., None, :]
        draws = x[..., :, None] == y[..., None, :]
        shares.append((wins + 0.5 * draws).mean((-2, -1)))
    return np.asarray(np.mean(shares, axis=0))


def stratified_bootstrap(
    statistic: Callable[..., Scores],
    *groups: Tasks,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Compute a statistic of one or more groups of runs, with its percentile bootstrap interval (section 4.1).

    Every resample draws the runs of each task of each group with replacement, as many as there are. With few runs the
    interval is too narrow: a single run has none (low and high are the estimate), that of three is only a hint.

    Args:
        statistic: takes one `tasks` per group; shapes as above.
        confidence: share of the resamples between low and high.

    Raises:
        ValueError: a group has no tasks, a task has no runs or a score that is not finite, or the groups differ in
            their number of tasks.
    """
    rng = np.random.default_rng(seed)
    given = [_checked(tasks) for tasks in groups]
    if len({len(tasks) for tasks in given}) != 1:
        raise ValueError(f"groups of {[len(tasks) for tasks in given]} tasks: give runs of the same tasks")
    drawn = [[_resampled(task, resamples, rng) for task in tasks] for tasks in given]
    low, high = np.quantile(statistic(*drawn), [(1 - confidence) / 2, (1 + confidence) / 2], axis=-1)
    return Interval(statistic(*given), low, high)


def _resampled(task: Scores, resamples: int, rng: np.random.Generator) -> Scores:
    """Resample runs [..., N] with replacement: [..., B, N]. Leading axes, such as the points of a learning curve, stay
    with their run."""
    return task[..., rng.integers(task.shape[-1], size=(resamples, task.shape[-1]))]


def _run_means(tasks: Tasks) -> Scores:
    return np.stack([task.mean(-1) for task in tasks])


def _checked(tasks: Sequence[Any]) -> list[Scores]:
    arrays = [np.asarray(task, np.float64) for task in tasks]
    if not arrays or any(array.ndim == 0 or array.size == 0 or not np.isfinite(array).all() for array in arrays):
        raise ValueError(f"scores of shapes {[list(a.shape) for a in arrays]}: give finite numbers, runs in every task")
    return arrays
