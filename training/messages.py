"""What is said beside the result of a command."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """One line for the person who watches, beside whatever the command prints."""
    print(f"quarterdeck: {line}", file=sys.stderr, flush=True)


def first_line(error: BaseException) -> str:
    """The first line that an error says; its class where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def one_line(error: BaseException) -> str:
    """An error in one line: its class and what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
