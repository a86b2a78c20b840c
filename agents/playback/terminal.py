"""Pictures in a terminal: two pixels a character, 24-bit colours, and the terminal as it was when it is over."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import tty
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"  # a screen of its own, no cursor, empty
LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
HALF = "\u2580"  # its upper half has the foreground's colour, its lower half the background's
LINES_BELOW = 1  # for a line of text


class Terminal:
    """Draws pictures, hears keys; gives the terminal back however it ends.

    Args:
        remedy: what to do where there is none.

    Raises:
        ValueError: there is no terminal to draw in, or to hear keys from, or its encoding lacks what is drawn.
    """

    def __init__(self, remedy: str) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise ValueError(f"games are drawn in a terminal, and here is none: {remedy}")
        try:
            HALF.encode(sys.stdout.encoding)
        except UnicodeEncodeError:
            utf8 = "use a UTF-8 locale, such as LC_ALL=C.UTF-8"
            raise ValueError(f"this terminal's encoding has no half blocks: {utf8}") from None
        self.keys = sys.stdin.fileno()

    def __enter__(self) -> Self:
        self.before = termios.tcgetattr(self.keys)
        self.handler = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the terminal comes back
        tty.setcbreak(self.keys)  # single keys, without echo; Ctrl-C still interrupts
        self._write(ENTER)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError, termios.error):  # it has been closed
            termios.tcsetattr(self.keys, termios.TCSADRAIN, self.before)
            self._write(LEAVE)
        signal.signal(signal.SIGTERM, self.handler)

    def show(self, picture: NDArray[np.uint8], line: str) -> None:
        """Draw uint8 [H, W, 3] as large as it fits, and a line of text below it."""
        columns, rows = shutil.get_terminal_size()
        size = fitted(picture.shape[:2], (2 * (rows - LINES_BELOW), columns))
        drawn = half_blocks(shrunk(picture, size))
        self._write(f"\x1b[H{drawn}\x1b[0m\x1b[K{line[:columns]}\x1b[J")

    def key(self, seconds: float) -> str | None:
        """The next key within so many seconds, as one character.

        Raises:
            OSError: the terminal has been closed.
        """
        ready, _, _ = select.select([self.keys], [], [], max(seconds, 0.0))
        if not ready:
            return None
        if not (read := os.read(self.keys, 1)):
            raise OSError("the terminal has been closed")
        return read.decode(errors="replace")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def fitted(shape: tuple[int, ...], room: tuple[int, int]) -> tuple[int, int]:
    """Height (even) and width of a picture of `shape` that fills `room`, its shape kept; at least 2x1."""
    scale = min(room[0] / shape[0], room[1] / shape[1])
    return max(int(shape[0] * scale) // 2 * 2, 2), max(int(shape[1] * scale), 1)


def shrunk(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture with `size` (height, width): means of what a pixel covers, so that a ball does not vanish."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BOX), np.uint8)


def half_blocks(picture: NDArray[np.uint8]) -> str:
    """uint8 [2 N, W, 3] -> N lines of W characters; a colour is only named where it changes."""
    lines = []
    for upper, lower in zip(picture[::2].tolist(), picture[1::2].tolist(), strict=True):
        parts, colours = [], None
        for top, bottom in zip(upper, lower, strict=True):
            if (top, bottom) != colours:
                colours = (top, bottom)
                parts.append("\x1b[38;2;{};{};{};48;2;{};{};{}m".format(*top, *bottom))
            parts.append(HALF)
        lines.append("".join(parts) + "\x1b[0m\x1b[K")
    return "\r\n".join([*lines, ""])
