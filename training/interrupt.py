"""Ctrl-C as a flag that a loop looks at."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Self


class Interrupt:
    """Turns the first Ctrl-C (or SIGTERM) into a flag; a second one interrupts for good."""

    def __init__(self) -> None:
        self.raised = False
        self.before = {number: signal.signal(number, self._raise) for number in (signal.SIGINT, signal.SIGTERM)}

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self.raised:
            raise KeyboardInterrupt
        self.raised = True

    def restore(self) -> None:
        """Give the signals back."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.restore()
