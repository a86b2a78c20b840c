"""How a fleet ends when it cannot go on. Names no Ray, so that any command may know it."""

from __future__ import annotations

import pickle
import traceback

from training.errors import CannotGoOn
from training.messages import one_line


class FleetError(CannotGoOn):
    """The fleet cannot go on."""


class LearnerLost(FleetError):
    """A learner died or fell silent: the run goes on from its last checkpoint."""

    whole = False


def portable(error: Exception) -> Exception:
    """The error itself where it can travel, else one that says the same; with the lines in which it arose as a note."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a class of somebody else's does when it is copied
        error = RuntimeError(one_line(error)).with_traceback(error.__traceback__)
    error.add_note("".join(traceback.format_tb(error.__traceback__)))
    return error
