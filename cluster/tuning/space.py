"""Search spaces: ranges of settings, from a TOML file or a built-in space.

A range is one of {log = [low, high]}, {uniform = [low, high]}, {integer = [low, high]} and {choice = [...]}, ends
included; `log` on a setting that is a whole number draws whole numbers. Settings that only fit each other in some mixes
are one line: "loss.kind+loss.penalty" = {choice = ["hinge/r1", "relativistic/r1r2"]}.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune

from training.search import Searchable
from training.settings import changed
from training.settings_file import OWN, checked, kind_of, read_toml

RANGES = ("log", "uniform", "integer", "choice")


@dataclass(frozen=True)
class Range:
    """Values of one setting, or of several that are chosen together."""

    name: str
    kind: str  # log, uniform, integer or choice
    values: list[Any]  # [low, high], or the choices; of the setting's type

    @property
    def whole(self) -> bool:
        """Whether values are integers."""
        return type(self.values[0]) is int

    def domain(self) -> Any:
        """Return Tune's search space."""
        if self.kind == "choice":
            return tune.choice(self.values)
        low, high = self.values
        if self.whole:
            return tune.lograndint(low, high + 1) if self.kind == "log" else tune.randint(low, high + 1)
        return tune.loguniform(low, high) if self.kind == "log" else tune.uniform(low, high)

    def within(self, value: Any) -> Any:
        """Clip a value to the range, which mutations may leave."""
        if self.kind == "choice":
            return value
        low, high = self.values
        return type(low)(min(max(value, low), high))

    def parsed(self, text: str) -> Any:
        """Parse a value from a table."""
        kind = type(self.values[0])
        return text == "True" if kind is bool else kind(text)


Space = dict[str, Range]


def by_setting(config: dict[str, Any]) -> dict[str, Any]:
    """Return values by setting, splitting those that were chosen together."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        names = name.split("+")
        found |= dict(zip(names, value.split("/") if len(names) > 1 else [value], strict=True))
    return found


def range_of(name: str, given: Any, settings: type[Any], search: Searchable, ends: tuple[str, ...]) -> Range:
    """Parse one line of a space; settings named in `ends` cannot be searched.

    Raises:
        ValueError: no such setting, or no values of its kind.
    """
    names = name.split("+")
    kind = str if len(names) > 1 else kind_of(settings, name)
    for one in names:
        kind_of(settings, one)
        if one in (*OWN, *ends) or one.startswith(search.fixed):
            raise ValueError(f"{one} cannot be searched, scores would not be comparable: give it to the sweep itself")
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in RANGES:
        raise ValueError(f"{name} is {given!r}: give {{log = [low, high]}}, uniform, integer, or {{choice = [...]}}")
    form, values = next(iter(given.items()))
    if not isinstance(values, list) or not values:
        raise ValueError(f"{name}: {form} is {values!r}: give a list with something in it")
    if len(names) > 1:
        return _together(name, form, values)
    values = [checked(settings, name, value) for value in values]
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


def _together(name: str, form: str, values: list[Any]) -> Range:
    parts = name.count("+") + 1
    if form != "choice" or not all(isinstance(value, str) and value.count("/") + 1 == parts for value in values):
        words = "/".join(one.rpartition(".")[2] for one in name.split("+"))
        raise ValueError(f'{name}: settings that are chosen together are texts: give {{choice = ["{words}", ...]}}')
    return Range(name, form, values)


def read_space(given: str, settings: Any, search: Searchable, ends: tuple[str, ...]) -> Space:
    """Load a built-in space or a file, and check it on the settings that it changes.

    Raises:
        ValueError: there is no such space, or it is impossible.
    """
    ours = search.spaces(settings)
    if given not in ours and not Path(given).is_file():
        raise ValueError(f"--space {given}: no file, and none of {', '.join(ours)}")
    lines = ours[given] if given in ours else read_toml(Path(given), lambda value: set(value) <= set(RANGES))
    try:
        if not lines:
            raise ValueError("it is empty: name a setting and its range")
        space = {name: range_of(name, values, type(settings), search, ends) for name, values in lines.items()}
        _try(space, settings, search)
    except ValueError as error:
        raise ValueError(f"space {given}: {error}") from None
    return space


def _try(space: Space, settings: Any, search: Searchable) -> None:
    """Check settings with the ends of all ranges and with random mixes of them, before any trial.

    Raises:
        ValueError: settings refuse a value.
    """
    rng = np.random.default_rng(0)
    mixes = [{name: value} for name, r in space.items() for value in r.values]
    mixes += [{name: r.values[rng.integers(len(r.values))] for name, r in space.items()} for _ in range(64)]
    for values in mixes:
        try:
            search.valid(changed(settings, by_setting(values)))
        except ValueError as error:
            said = ", ".join(f"{name} {value}" for name, value in values.items())
            raise ValueError(f"with {said}: {error}") from None


def require_cloneable(space: Space, search: Searchable) -> None:
    """Check that all settings can change during training, as population based training requires.

    Raises:
        ValueError: the space has something else.
    """
    for name in [one for joined in space for one in joined.split("+")]:
        if not name.startswith(search.cloned) or name in search.not_cloned:
            remedy = "use a --space without it, or --scheduler asha or random"
            raise ValueError(f"--scheduler pbt cannot change {name} of a training that runs: {remedy}")
