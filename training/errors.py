"""How a training ends when it cannot go on. Imports nothing, so that any command may know it."""

from __future__ import annotations


class CannotGoOn(RuntimeError):
    """Training has to end here; the message says why in one line, `__cause__` is the error behind it."""

    whole = True  # what was trained so far, which can be saved
