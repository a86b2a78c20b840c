"""The error that ends a training. Imports nothing, so that any command can catch it."""

from __future__ import annotations


class CannotGoOn(RuntimeError):
    """Training cannot continue; the message is one line, and `__cause__` the original error."""

    whole = True  # whether the state is consistent and can be saved
