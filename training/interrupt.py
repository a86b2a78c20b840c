"""Ctrl-C as a flag that a loop looks at, and signals that act like it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """Lets SIGTERM and a terminal that closes (SIGHUP) interrupt like Ctrl-C; what is ignored, by `nohup`, stays so."""
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # terminal and shell both tell of a hang-up: one is not to stop tidying
    raise KeyboardInterrupt
