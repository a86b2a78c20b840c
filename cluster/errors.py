"""What a fleet says while it goes on, and how it ends when it cannot. Names no Ray, so that any command may know it."""

from __future__ import annotations

import sys


class FleetError(RuntimeError):
    """The fleet cannot go on; the message says why in one line, `__cause__` is the error behind it."""


class LearnerLost(FleetError):
    """A learner died or fell silent: the run goes on from its last checkpoint."""


def say(line: str) -> None:
    """One line for the person who watches, beside whatever the command prints."""
    print(f"quarterdeck: {line}", file=sys.stderr, flush=True)


def told(error: BaseException) -> str:
    """An error in one line: its class and what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
