"""Progress in the terminal: a live line, or occasional plain lines if stderr is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

PLAIN_SECONDS = 30.0  # between lines if stderr is no terminal


class LiveLine:
    """A progress bar with a text; occasional plain lines if stderr is no terminal."""

    def __init__(self, name: str) -> None:
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("[bold]{task.description}"), BarColumn(bar_width=24), TaskProgressColumn(),
            TextColumn("{task.fields[line]}"), console=self.console, disable=not self.console.is_terminal,
        )  # fmt: skip
        self.task = self.progress.add_task(name, total=1.0, line="starting")
        self.printed = 0.0

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.progress.stop()

    def show(self, done: float, line: str) -> None:
        """Update the progress `done`, 0..1, and the text."""
        self.progress.update(self.task, completed=done, line=line)
        if not self.console.is_terminal and time.monotonic() - self.printed >= PLAIN_SECONDS:
            self.console.print(line, soft_wrap=True, highlight=False)
            self.printed = time.monotonic()


@contextmanager
def evaluation_bar(name: str = "evaluation") -> Iterator[Callable[[float], None]]:
    """Show a progress bar; yields a function that takes the progress, 0..1."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=1.0)
        yield lambda done: progress.update(task, completed=done)


def clock(seconds: float) -> str:
    """Format seconds as 1:23 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
