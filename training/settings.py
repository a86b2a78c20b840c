"""Trees of settings: type checks from annotations, conversion to and from plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", NoneType: "none"}


@cache
def kinds_of(settings: type[Any]) -> dict[str, tuple[Any, ...]]:
    """Return the types (or `Literal`) that each field of a settings class accepts."""
    hints = get_type_hints(settings)
    kinds = {field.name: hints[field.name] for field in dataclasses.fields(settings)}
    return {name: get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,) for name, kind in kinds.items()}


@cache
def kinds_by_name(settings: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types that each setting of a tree accepts, by dotted name as in `flat`."""
    found: dict[str, tuple[Any, ...]] = {}
    for name, kinds in kinds_of(settings).items():
        if dataclasses.is_dataclass(kinds[0]):
            found |= {f"{name}.{key}": held for key, held in kinds_of(cast(Any, kinds[0])).items()}
        else:
            found[name] = kinds
    return found


def checked_kind(name: str, value: Any, kinds: tuple[Any, ...]) -> Any:
    """Return `value` if it has one of the types; floats accept integers, and numpy scalars are converted.

    Raises:
        ValueError: it has another type, or is not among a `Literal`'s values.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    if not any(_fits(plain, kind) for kind in kinds):
        texts = [text for kind in kinds for text in get_args(kind)]
        if texts:
            raise ValueError(f"{name} is {shown(value)}: use one of {', '.join(texts)}")
        words = " or ".join(WORDS.get(kind, kind.__name__) for kind in kinds)
        raise ValueError(f"{name} is {shown(value)}: give {words}")
    return plain


def _fits(plain: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return type(plain) is str and plain in get_args(kind)
    if dataclasses.is_dataclass(plain):
        return isinstance(plain, kind)
    return type(plain) is kind or (type(plain) is int and kind is float)


def shown(value: Any) -> str:
    """Return a value as one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_seed(seed: int) -> None:
    """Check a seed, in `__post_init__`.

    Raises:
        ValueError: some random generator does not accept it.
    """
    if not 0 <= seed < 2**31:
        raise ValueError(f"seed is {seed}: use 0 to {2**31 - 1}")


def check_kinds(settings: Any, section: str) -> None:
    """Check the types of all fields and convert numpy scalars for JSON, in `__post_init__`.

    `section` is the place of these settings in the tree, "" for its root.

    Raises:
        ValueError: a field has another type or value; the message has its dotted name, such as "replay.n_step".
    """
    made: Any = type(settings)
    for name, kinds in kinds_of(made).items():
        value = getattr(settings, name)
        plain = checked_kind(f"{section}.{name}" if section else name, value, kinds)
        if plain is not value:
            object.__setattr__(settings, name, plain)


def to_dict(settings: Any) -> dict[str, Any]:
    """Return settings as nested plain values, for JSON."""
    return dataclasses.asdict(settings)


def flat(settings: Any) -> dict[str, Any]:
    """Return settings by dotted name: {"learner.gamma": 0.99, "seed": 0, ...}."""
    found: dict[str, Any] = {}
    for name, value in to_dict(settings).items():
        if isinstance(value, dict):
            found |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            found[name] = value
    return found


def changed(settings: T, values: Mapping[str, Any]) -> T:
    """Return the settings with values replaced by dotted name.

    Raises:
        ValueError: a name is unknown or a value invalid.
    """
    tree = to_dict(settings)
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        branch = tree.setdefault(section, {}) if section else tree
        if not isinstance(branch, dict):
            raise ValueError(f"no setting is called {name!r}: {section} has no settings of its own")
        branch[key] = value
    return from_dict(type(settings), tree)


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """Invert `to_dict` for the settings class `kind`.

    Raises:
        ValueError: a name is unknown or a value invalid.
    """
    known = {f.name: f for f in dataclasses.fields(cast(Any, kind))}
    unknown = set(values) - set(known)
    if unknown:
        raise ValueError(f"unknown settings {sorted(unknown)}: this version knows {sorted(known)}")
    sections = {name: f.default_factory for name, f in known.items() if f.default_factory is not dataclasses.MISSING}
    for name in set(values) & set(sections):
        if not isinstance(values[name], dict):
            raise ValueError(f"settings {name} is {values[name]!r}: give a table of its settings")
    made = {
        name: from_dict(type(sections[name]()), value) if name in sections else value for name, value in values.items()
    }
    try:
        return kind(**made)
    except TypeError as error:  # a value of another type
        raise ValueError(f"impossible {kind.__name__}: {error}") from None
