"""Changes to a tree of settings in which values or whole sections may be Tune search spaces."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

from ray import tune
from ray.tune.search.sample import Categorical, Domain

from training.settings import checked_kind, from_dict, kinds_of, shown


def is_search(value: Any) -> bool:
    """Return whether `value` is a Tune search space, such as `tune.choice(...)` or `tune.grid_search(...)`."""
    return isinstance(value, Domain) or (isinstance(value, dict) and value.keys() == {"grid_search"})


def searched(tree: Any, name: str = "") -> list[str]:
    """Return the dotted names of all search spaces."""
    if is_search(tree):
        return [name]
    branches = tree.items() if isinstance(tree, dict) else ()
    return [found for key, branch in branches for found in searched(branch, f"{name}.{key}" if name else key)]


def alternatives(value: Any) -> list[Any]:
    """Return the alternatives of a categorical or grid search, else `value` alone."""
    if isinstance(value, Categorical):
        return list(value.categories)
    return list(value["grid_search"]) if is_search(value) and isinstance(value, dict) else [value]


def merged(tree: Any, changes: Any) -> Any:
    """Merge `changes` into `tree`; in searched sections they apply to every alternative."""
    if isinstance(changes, Categorical) or (is_search(changes) and isinstance(changes, dict)):
        return _for_each(changes, lambda change: merged(tree, change))
    if is_search(tree) and isinstance(changes, dict):
        return _for_each(tree, lambda branch: merged(branch, changes))
    if isinstance(tree, dict) and isinstance(changes, dict):
        return {**tree, **{name: merged(tree.get(name), change) for name, change in changes.items()}}
    return changes


def _for_each(search: Any, change: Callable[[Any], Any]) -> Any:
    made = [change(value) for value in alternatives(search)]
    return tune.choice(made) if isinstance(search, Categorical) else tune.grid_search(made)


def check_changes(settings: Any, changes: Any, linked: dict[str, str]) -> None:
    """Check names and types of changes; ranges are checked by `check_range`.

    Args:
        settings: class of the settings.
        changes: by section, as in {"replay": {"n_step": 5}}.
        linked: RLlib fields by dotted name of their setting, which can only be searched individually.

    Raises:
        ValueError: a section, a name or a value is invalid.
    """
    if not isinstance(changes, dict) or is_search(changes):
        raise ValueError(f"settings is {shown(changes)}: give a table, as in {{'replay': {{'n_step': 5}}}}")
    for section, branch in changes.items():
        if section not in kinds_of(settings):
            raise ValueError(f"no such setting in {section!r}: settings knows {', '.join(kinds_of(settings))}")
        kinds = kinds_of(settings)[section]
        if not dataclasses.is_dataclass(kinds[0]):
            if not is_search(branch):
                checked_kind(section, branch, kinds)
            continue
        for one in alternatives(branch):
            _check_section(section, kinds[0], one)
            named = [linked[f"{section}.{key}"] for key in one if f"{section}.{key}" in linked and one is not branch]
            if named:
                raise ValueError(f"a search of all {section!r} cannot name {named[0]}: search that by itself")


def _check_section(section: str, kind: Any, values: Any) -> None:
    if not isinstance(values, dict):
        raise ValueError(f"settings {section} is {shown(values)}: give a table of its settings")
    known = kinds_of(kind)
    if unknown := sorted(set(values) - set(known)):
        raise ValueError(f"no such setting in {section!r}: {unknown[0]} is none of {', '.join(known)}")
    for name, value in values.items():
        if not is_search(value):
            checked_kind(f"{section}.{name}", value, known[name])


def check_range(settings: Any, section: str, branch: Any) -> None:
    """Check the values of one section of `settings`, unless it contains a search space.

    Raises:
        ValueError: a value is invalid.
    """
    (kind,) = kinds_of(settings)[section]
    if dataclasses.is_dataclass(kind) and isinstance(branch, dict) and not searched(branch):
        from_dict(cast(Any, kind), branch)
