"""Settings in TOML files, by dotted name: checks, reading, and writing of a sweep's best."""

from __future__ import annotations

import difflib
import json
import tomllib
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_origin

from training.settings import changed, checked_kind, flat, kinds_by_name
from training.storage.files import write_text

# Settings of a single run, like its stopping criteria, which are not written to files.
OWN = ("seed", "checkpoint_minutes")
NONE = "None"  # None, as on the command line; TOML has no null
T = TypeVar("T")


def _kind(settings: Any, name: str) -> Any:
    """Return the type or `Literal` of a setting, without None."""
    known = kinds_by_name(settings)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=2) or [
            other for other in known if other.rpartition(".")[2] == name.rpartition(".")[2]
        ]
        hint = f"did you mean {' or '.join(close)}?" if close else "train PRESET --dry-run lists them all"
        raise ValueError(f"no setting is called {name!r}: {hint}")
    return next(kind for kind in known[name] if kind is not NoneType)


def kind_of(settings: type[Any], name: str) -> type:
    """Return the type of a setting: bool, int, float or str.

    Raises:
        ValueError: the name is unknown.
    """
    kind = _kind(settings, name)
    return str if get_origin(kind) is Literal else kind


def checked(settings: type[Any], name: str, value: Any) -> Any:
    """Return `value` in the setting's type; floats accept integers.

    Raises:
        ValueError: the name is unknown, or the value has another type or is not among a `Literal`'s values.
    """
    kind = _kind(settings, name)
    plain = checked_kind(name, value, (kind,))
    return float(plain) if kind is float else plain


def flattened(tree: dict[str, Any], leaf: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten a TOML tree to dotted names, for quoted keys, dotted keys and tables; dicts with `leaf` are values."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix + key.replace("-", "_")
        if isinstance(value, dict) and not leaf(value):
            found |= flattened(value, leaf, f"{name}.")
        else:
            found[name] = value
    return found


def read_toml(path: Path, leaf: Any = lambda value: False) -> dict[str, Any]:
    """Read a TOML file, flattened to dotted names.

    Raises:
        ValueError: it does not exist or is no TOML.
    """
    try:
        return flattened(tomllib.loads(path.read_text(encoding="utf-8")), leaf)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path} ({getattr(error, 'strerror', None) or 'no text'}): name a file") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}") from None


def read_settings(path: Path, settings: T) -> T:
    """Return `settings` with the values of a file.

    Raises:
        ValueError: the file cannot be read, or a name or a value is invalid.
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
    """Write the settings that differ from the preset, except those of a single run; `comment` may have many lines."""
    before, left = flat(preset), (*OWN, *ends)
    own = {name: value for name, value in flat(settings).items() if value != before[name] and name not in left}
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [f'"{name}" = {_toml(value)}' for name, value in own.items()]
    write_text(path, "\n".join(lines) + "\n")


def _toml(value: Any) -> str:
    """Format a value as TOML: inf, and strings with JSON escapes and otherwise unchanged."""
    if isinstance(value, float):
        return repr(value)
    return json.dumps(NONE if value is None else value, ensure_ascii=False).replace("\x7f", "\\u007f")
