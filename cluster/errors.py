"""How a fleet ends when it cannot go on. Names no Ray, so that any command may know it."""

from __future__ import annotations

from training.errors import CannotGoOn


class FleetError(CannotGoOn):
    """The fleet cannot go on."""


class LearnerLost(FleetError):
    """A learner died or fell silent: the run goes on from its last checkpoint."""

    whole = False
