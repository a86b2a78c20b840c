"""Scores that compare across games: human normalisation, interquartile means with their intervals."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs.atari import game_name


class Interval(NamedTuple):
    """A point estimate and the interval around it."""

    estimate: float
    low: float
    high: float


@cache
def reference_scores() -> dict[str, tuple[float, float]]:
    """Raw scores (random, human) of each game that has both; the table names its source."""
    lines = files("envs").joinpath("data/atari_random_human.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    return {game: (float(random), float(human)) for game, random, human in rows[1:]}


def human_normalised(env: str, score: ArrayLike) -> NDArray[np.float64]:
    """Raw scores of any shape, as 0 for a random player and 1 for a human one (Mnih et al. 2015).

    Raises:
        ValueError: no human score is known for this game.
    """
    game = game_name(env)
    if game not in reference_scores():
        raise ValueError(f"no human score is known for {env!r}: envs.scores.reference_scores() has the games")
    random, human = reference_scores()[game]
    return (np.asarray(score, np.float64) - random) / (human - random)


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of what is left when the lowest and highest quarter are cut, rounded down to whole scores each."""
    ordered = np.sort(np.asarray(scores, np.float64).ravel())
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def iqm_interval(scores: ArrayLike, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """Interquartile mean over runs and games together, with a stratified bootstrap interval.

    Every resample draws the runs of each game anew, with replacement (Agarwal et al. 2021); the
    interval lies between the percentiles of the resampled means.

    Args:
        scores: normalised scores [R, G], R runs of each of G games.
        confidence: share of the resamples that the interval holds.

    Raises:
        ValueError: `scores` is not [R, G] with finite numbers.
    """
    runs = np.asarray(scores, np.float64)
    if runs.ndim != 2 or runs.size == 0 or not np.isfinite(runs).all():
        raise ValueError(f"scores are {list(runs.shape)}: give finite numbers [runs, games]")
    rng = np.random.default_rng(seed)
    draws = (rng.integers(len(runs), size=runs.shape) for _ in range(resamples))
    means = [interquartile_mean(np.take_along_axis(runs, draw, axis=0)) for draw in draws]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(interquartile_mean(runs), float(low), float(high))
