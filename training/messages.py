"""Messages to the user besides a command's result."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Print a message to stderr."""
    print(f"quarterdeck: {line}", file=sys.stderr, flush=True)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class if it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def one_line(error: BaseException) -> str:
    """Return class and message of an error as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
