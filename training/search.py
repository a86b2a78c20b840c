"""Objective and search spaces of a kind of training, for sweeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Lines = dict[str, dict[str, list[Any]]]  # a space: {"learner.learning_rate": {"log": [1e-4, 1e-2]}}


def log_around(own: float, factor: int) -> dict[str, list[Any]]:
    """Return a log range from own / factor to own * factor; integers are at least 1."""
    return {"log": [max(own // factor, 1), own * factor] if isinstance(own, int) else [own / factor, own * factor]}


class Judgement(NamedTuple):
    """Score of a run at one moment."""

    score: float  # objective of a sweep
    beside: dict[str, float]  # other figures, for tables


class Metric(NamedTuple):
    """Meaning of a sweep's scores."""

    name: str
    mode: str  # max or min
    worst: float  # score of a diverged training, a finite bound so that schedulers can rank it
    beside: tuple[str, ...] = ()  # other figures, for tables
    kept: bool = False  # runs keep their best model: trials count by `select_NAME` of its summary

    def better(self, score: float) -> float:
        """Return a sort key that puts better scores first."""
        return -score if self.mode == "max" else score


class Searchable(NamedTuple):
    """Searchable settings. Names that end in "." mean a whole section."""

    metric: Metric
    spaces: Callable[[Any], dict[str, Lines]]  # settings -> built-in spaces by name
    fixed: tuple[str, ...]  # else scores are incomparable
    cloned: tuple[str, ...]  # settings that may change when a trial is cloned during training
    not_cloned: tuple[str, ...] = ()
    valid: Callable[[Any], Any] = lambda settings: None  # raises ValueError if settings do not fit each other
