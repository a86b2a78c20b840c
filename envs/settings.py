"""What every tree of settings shares: each value is of the kind its annotation names."""

from __future__ import annotations

import dataclasses
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", NoneType: "none"}


@cache
def kinds_of(settings: type[Any]) -> dict[str, tuple[type, ...]]:
    """What each field of a settings class may hold: classes, of which a `Literal` counts as its members' own."""
    return {name: _parts(kind) for name, kind in get_type_hints(settings).items()}


def _parts(kind: Any) -> tuple[type, ...]:
    if get_origin(kind) is Literal:
        return tuple(dict.fromkeys(type(value) for value in get_args(kind)))
    if isinstance(kind, UnionType):
        return tuple(part for one in get_args(kind) for part in _parts(one))
    return (kind,)


def checked_kind(name: str, value: Any, kinds: tuple[type, ...]) -> Any:
    """`value` where it is of one of the kinds; a whole number may stand for a number, and a scalar of numpy for both.

    Raises:
        ValueError: it is of another kind.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    fits = type(plain) in kinds or (type(plain) is int and float in kinds)
    if not fits and not (dataclasses.is_dataclass(plain) and isinstance(plain, kinds)):
        words = " or ".join(WORDS.get(kind, kind.__name__) for kind in kinds)
        raise ValueError(f"{name} is {shown(value)}: {words} belongs there")
    return plain


def shown(value: Any) -> str:
    """A value in one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_kinds(settings: Any) -> None:
    """For `__post_init__`: every field is of its kind, and numbers are Python's own, as JSON wants them.

    Raises:
        ValueError: a field is of another kind; it is named as in the tree, "replay.n_step".
    """
    made: Any = type(settings)
    section = made.__name__.removesuffix("Settings").lower()
    for name, kinds in kinds_of(made).items():
        value = getattr(settings, name)
        plain = checked_kind(f"{section}.{name}" if section else name, value, kinds)
        if plain is not value:
            object.__setattr__(settings, name, plain)
