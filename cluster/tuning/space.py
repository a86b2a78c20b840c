"""What a sweep searches: ranges of settings, from a TOML file or by the name of one of ours.

A range is one of {log = [low, high]}, {uniform = [low, high]}, {integer = [low, high]} and {choice = [...]}, ends
included; `log` on a setting that is a whole number draws whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune

from agents.dqn.settings import Settings
from cluster.settings_file import OWN, checked, kind_of, read_toml
from training.settings import changed

RANGES = ("log", "uniform", "integer", "choice")
SPACES: dict[str, dict[str, dict[str, list[Any]]]] = {
    "learning": {
        "learner.learning_rate": {"log": [3e-5, 3e-3]},
        "learner.target_period": {"log": [20, 2_000]},
        "learner.batch_size": {"choice": [32, 64, 128]},
    },
    "exploration": {
        "exploration.final": {"log": [0.01, 0.4]},
        "exploration.ladder": {"uniform": [0.0, 7.0]},
        "exploration.anneal_steps": {"log": [1_000, 1_000_000]},
    },
    "replay": {
        "replay.n_step": {"integer": [1, 8]},
        "replay.samples_per_insert": {"log": [1.0, 16.0]},
        "replay.prioritized": {"choice": [False, True]},
    },
    "population": {  # all that a clone can take over
        "learner.learning_rate": {"log": [3e-5, 3e-3]},
        "learner.target_period": {"log": [20, 2_000]},
        "exploration.final": {"log": [0.01, 0.4]},
    },
}
# Scores under other rules, or on other games, do not compare; seeds are a sweep's own.
UNCOMPARABLE = (*OWN, "world.env", "world.frame_skip", "world.full_actions")
# Of what a clone is trained under, its donor's replay and networks must fit.
CLONED = ("learner.", "exploration.", "replay.alpha", "replay.beta", "replay.samples_per_insert")
NOT_CLONED = ("learner.device", "learner.average_rate")


@dataclass(frozen=True)
class Range:
    """The values of one setting."""

    name: str
    kind: str  # log, uniform, integer or choice
    values: list[Any]  # [low, high], or the choices

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return kind_of(self.name) is int

    def domain(self) -> Any:
        """What Tune draws from."""
        if self.kind == "choice":
            return tune.choice(self.values)
        low, high = self.values
        if self.whole:
            return tune.lograndint(low, high + 1) if self.kind == "log" else tune.randint(low, high + 1)
        return tune.loguniform(low, high) if self.kind == "log" else tune.uniform(low, high)

    def within(self, value: Any) -> Any:
        """The nearest value in the range: mutations multiply, and know no end."""
        if self.kind == "choice":
            return value
        low, high = self.values
        return type(low)(min(max(value, low), high))


Space = dict[str, Range]


def range_of(name: str, given: Any) -> Range:
    """One line of a space.

    Raises:
        ValueError: no such setting, or no values of its kind.
    """
    kind = kind_of(name)
    if name in UNCOMPARABLE or name.startswith("evaluation."):
        raise ValueError(f"{name} is nothing to search, scores would not compare: give it to the sweep itself")
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in RANGES:
        raise ValueError(f"{name} is {given!r}: give {{log = [low, high]}}, uniform, integer, or {{choice = [...]}}")
    form, values = next(iter(given.items()))
    if not isinstance(values, list) or not values:
        raise ValueError(f"{name}: {form} is {values!r}: give a list with something in it")
    values = [checked(name, value) for value in values]
    if form == "choice":
        if len(set(values)) < len(values):
            raise ValueError(f"{name}: choice names a value twice")
        return Range(name, form, values)
    if kind not in (int, float) or (form == "integer" and kind is float) or (form == "uniform" and kind is int):
        fit = {int: "integer, log or choice", float: "uniform, log or choice"}.get(kind, "choice")
        raise ValueError(f"{name}: {form} does not fit it: use {fit}")
    if len(values) != 2 or not values[0] < values[1] or (form == "log" and values[0] <= 0):
        above = "0 < " if form == "log" else ""
        raise ValueError(f"{name}: {form} is {values}: give [low, high] with {above}low < high")
    return Range(name, form, values)


def read_space(given: str, settings: Settings) -> Space:
    """The space that a preset's name or a file's stands for, tried on the settings that it changes.

    Raises:
        ValueError: there is no such space, or it is impossible.
    """
    ours = given in SPACES
    if not ours and not Path(given).is_file():
        raise ValueError(f"--space {given}: no file, and none of {', '.join(SPACES)}")
    lines = SPACES[given] if ours else read_toml(Path(given), lambda value: set(value) <= set(RANGES))
    try:
        if not lines:
            raise ValueError("it is empty: name a setting and its range")
        space = {name: range_of(name, values) for name, values in lines.items()}
        _try(space, settings)
    except ValueError as error:
        raise ValueError(f"space {given}: {error}") from None
    return space


def _try(space: Space, settings: Settings) -> None:
    """Build every value at the ends of the ranges, and mixes of them: an impossible one shows before anything runs.

    Raises:
        ValueError: settings refuse a value.
    """
    rng = np.random.default_rng(0)
    mixes = [{name: value} for name, r in space.items() for value in r.values]
    mixes += [{name: r.values[rng.integers(len(r.values))] for name, r in space.items()} for _ in range(64)]
    for values in mixes:
        try:
            changed(settings, values).rows_per_lane()
        except ValueError as error:
            said = ", ".join(f"{name} {value}" for name, value in values.items())
            raise ValueError(f"with {said}: {error}") from None


def require_cloneable(space: Space) -> None:
    """Population based training changes settings of networks that are there, so it searches only what they can take.

    Raises:
        ValueError: the space has something else.
    """
    for name in space:
        if not name.startswith(CLONED) or name in NOT_CLONED:
            raise ValueError(f"--scheduler pbt cannot change {name} of a training that runs: use asha or random")
