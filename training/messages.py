"""What is said beside the result of a command."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """One line for the person who watches, beside whatever the command prints."""
    print(f"quarterdeck: {line}", file=sys.stderr, flush=True)


def one_line(error: BaseException) -> str:
    """An error in one line: its class and what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
