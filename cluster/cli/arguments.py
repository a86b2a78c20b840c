"""Parsing of arguments to dataclasses with one-line errors."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import tyro

from cluster.cli.commands import examples

T = TypeVar("T")


def parse(kind: type[T], arguments: list[str], command: str, default: T | None = None) -> T:
    """Parse `arguments` as the dataclass `kind`.

    Raises:
        ValueError: they are invalid; the message is one line with the remedy.
        SystemExit: help was requested and printed, with examples.
    """
    said = io.StringIO()
    extra = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, args=arguments, prog=f"quarterdeck {command}", **extra)  # type: ignore[call-overload,no-any-return]
    except SystemExit as stop:
        if not stop.code:
            print(examples(command.split()[0]))
            raise
        lines = [line.strip("│╭╮╰╯─ ") for line in said.getvalue().splitlines()[1:]]
        raise ValueError(" ".join(line for line in lines if line.strip("-"))) from None


def changed_options(given: Mapping[str, Any], defaults: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return the options among `names` that differ from their defaults, as written on a command line."""
    return [f"--{name}" for name in names if given.get(name) != defaults.get(name)]
