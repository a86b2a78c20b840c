"""Settings by name in a TOML file: what they may be, how they are read, how a sweep's best are written."""

from __future__ import annotations

import difflib
import json
import tomllib
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_origin

from training.settings import changed, checked_kind, flat, kinds_by_name
from training.storage.files import write_text

# A run's own like its ends, not the recipe's: a file of settings leaves them to whoever uses it.
OWN = ("seed", "checkpoint_minutes")
NONE = "None"  # where a setting may be none, as on the command line: TOML has no word for it
T = TypeVar("T")


def _kind(settings: Any, name: str) -> Any:
    """The class or the `Literal` of a setting, whether it may be none or not."""
    known = kinds_by_name(settings)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=2) or [
            other for other in known if other.rpartition(".")[2] == name.rpartition(".")[2]
        ]
        hint = f"did you mean {' or '.join(close)}?" if close else "train PRESET --dry-run lists them all"
        raise ValueError(f"no setting is called {name!r}: {hint}")
    return next(kind for kind in known[name] if kind is not NoneType)


def kind_of(settings: type[Any], name: str) -> type:
    """bool, int, float or str.

    Raises:
        ValueError: no setting has that name.
    """
    kind = _kind(settings, name)
    return str if get_origin(kind) is Literal else kind


def checked(settings: type[Any], name: str, value: Any) -> Any:
    """`value` as the setting's own type; a whole number may stand for another.

    Raises:
        ValueError: the name is unknown, or the value of another type or none of the setting's texts.
    """
    kind = _kind(settings, name)
    plain = checked_kind(name, value, (kind,))
    return float(plain) if kind is float else plain


def flattened(tree: dict[str, Any], leaf: Any, prefix: str = "") -> dict[str, Any]:
    """A TOML tree by dotted name, whether its keys were quoted, dotted or tables; `leaf` says where a branch ends."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix + key.replace("-", "_")
        if isinstance(value, dict) and not leaf(value):
            found |= flattened(value, leaf, f"{name}.")
        else:
            found[name] = value
    return found


def read_toml(path: Path, leaf: Any = lambda value: False) -> dict[str, Any]:
    """What a TOML file holds, by dotted name.

    Raises:
        ValueError: it is not there, or is no TOML.
    """
    try:
        return flattened(tomllib.loads(path.read_text(encoding="utf-8")), leaf)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path} ({getattr(error, 'strerror', None) or 'no text'}): name a file") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}") from None


def read_settings(path: Path, settings: T) -> T:
    """`settings` with those of the file in them.

    Raises:
        ValueError: the file cannot be read, or a name or a value in it is impossible.
    """
    values = read_toml(path)
    try:
        return changed(settings, {name: _read(type(settings), name, value) for name, value in values.items()})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read(settings: Any, name: str, value: Any) -> Any:
    if value == NONE and NoneType in kinds_by_name(settings).get(name, ()):
        return None
    return checked(settings, name, value)


def write_settings(path: Path, settings: Any, preset: Any, ends: tuple[str, ...], comment: str) -> None:
    """All in which `settings` differ from the preset, but what is a run's own; `comment` may have several lines."""
    before, left = flat(preset), (*OWN, *ends)
    own = {name: value for name, value in flat(settings).items() if value != before[name] and name not in left}
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [f'"{name}" = {_toml(value)}' for name, value in own.items()]
    write_text(path, "\n".join(lines) + "\n")


def _toml(value: Any) -> str:
    """A value as TOML has it: infinity by its short name, texts as they are but for what would end or break them."""
    if isinstance(value, float):
        return repr(value)
    return json.dumps(NONE if value is None else value, ensure_ascii=False).replace("\x7f", "\\u007f")
