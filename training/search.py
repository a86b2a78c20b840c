"""What a sweep has to know of a kind of training: what it ranks by, and which settings it may search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Lines = dict[str, dict[str, list[Any]]]  # a space: {"learner.learning_rate": {"log": [1e-4, 1e-2]}}


def log_around(own: float, factor: int) -> dict[str, list[Any]]:
    """From `factor` times less to `factor` times more than a preset's own value; whole numbers end at 1."""
    return {"log": [max(own // factor, 1), own * factor] if isinstance(own, int) else [own / factor, own * factor]}


class Judgement(NamedTuple):
    """How good a run is at this moment."""

    score: float  # what a sweep ranks by
    beside: dict[str, float]  # other figures, for tables


class Metric(NamedTuple):
    """What the scores of a sweep mean."""

    name: str
    mode: str  # max or min
    worst: float  # of a training that has diverged: finite, so that schedulers can rank it; none is worse
    beside: tuple[str, ...] = ()  # other figures that tables show
    kept: bool = False  # a run keeps the best it was, `select_NAME` of its summary: a trial counts by that

    def better(self, score: float) -> float:
        """A key that is the smaller, the better a score is."""
        return -score if self.mode == "max" else score


class Searchable(NamedTuple):
    """Which settings may be searched. Names end in "." where a whole section is meant."""

    metric: Metric
    spaces: Callable[[Any], dict[str, Lines]]  # for the settings of a sweep: our own spaces by name
    fixed: tuple[str, ...]  # scores under others would not compare
    cloned: tuple[str, ...]  # what a training that runs can take over from a donor's clone
    not_cloned: tuple[str, ...] = ()
    valid: Callable[[Any], Any] = lambda settings: None  # raises ValueError where settings do not fit each other
