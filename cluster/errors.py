"""How a fleet ends when it cannot go on. Names no Ray, so that any command may know it."""

from __future__ import annotations


class FleetError(RuntimeError):
    """The fleet cannot go on; the message says why in one line, `__cause__` is the error behind it."""


class LearnerLost(FleetError):
    """A learner died or fell silent: the run goes on from its last checkpoint."""
