"""Errors that end a fleet. Does not import Ray, so that any command can catch them."""

from __future__ import annotations

import pickle
import traceback

from training.errors import CannotGoOn
from training.messages import one_line


class FleetError(CannotGoOn):
    """A fleet cannot continue."""


class LearnerLost(FleetError):
    """A learner died or does not answer; the run can continue from its last checkpoint."""

    whole = False


def portable(error: Exception) -> Exception:
    """Return the error if it can be pickled, else a RuntimeError with its message; add the traceback as a note."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # pickling a user's class may raise anything
        error = RuntimeError(one_line(error)).with_traceback(error.__traceback__)
    error.add_note("".join(traceback.format_tb(error.__traceback__)))
    return error
