"""Pictures in a terminal: two pixels per character, in 24-bit colour."""

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

ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"  # alternate screen, cursor hidden, cleared
LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
HALF = "\u2580"  # upper half in the foreground colour, lower half in the background colour
LINES_BELOW = 1  # for a line of text


class Terminal:
    """Context manager that draws pictures and reads keys, and restores the terminal on exit.

    Args:
        remedy: advice in the error message if there is no terminal.

    Raises:
        ValueError: stdin or stdout is not a terminal, or its encoding lacks the half block.
    """

    def __init__(self, remedy: str) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise ValueError(f"games are drawn in a terminal, and this is none: {remedy}")
        try:
            HALF.encode(sys.stdout.encoding)
        except UnicodeEncodeError:
            utf8 = "use a UTF-8 locale, such as LC_ALL=C.UTF-8"
            raise ValueError(f"this terminal's encoding has no half blocks: {utf8}") from None
        self.keys = sys.stdin.fileno()

    def __enter__(self) -> Self:
        self.before = termios.tcgetattr(self.keys)
        self.handler = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: __exit__ runs
        tty.setcbreak(self.keys)  # single keys, without echo; Ctrl-C still interrupts
        self._write(ENTER)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError, termios.error):  # the terminal has been closed
            termios.tcsetattr(self.keys, termios.TCSADRAIN, self.before)
            self._write(LEAVE)
        signal.signal(signal.SIGTERM, self.handler)

    def show(self, picture: NDArray[np.uint8], line: str) -> None:
        """Draw uint8 [H, W, 3] as large as fits, with a line of text below it."""
        columns, rows = shutil.get_terminal_size()
        size = fitted(picture.shape[:2], (2 * (rows - LINES_BELOW), columns))
        drawn = half_blocks(shrunk(picture, size))
        self._write(f"\x1b[H{drawn}\x1b[0m\x1b[K{line[:columns]}\x1b[J")

    def key(self, seconds: float) -> str | None:
        """Return the next key as one character, or None if there is none within `seconds`.

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
    """Return the largest height (even) and width with the aspect ratio of `shape` that fit `room`; at least 2x1."""
    scale = min(room[0] / shape[0], room[1] / shape[1])
    return max(int(shape[0] * scale) // 2 * 2, 2), max(int(shape[1] * scale), 1)


def shrunk(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize the picture to `size` (height, width) by the mean of the pixels covered, which keeps a ball visible."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BOX), np.uint8)


def half_blocks(picture: NDArray[np.uint8]) -> str:
    """Encode uint8 [2 N, W, 3] as N lines of W characters, with a colour code only where the colour changes."""
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
