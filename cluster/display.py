"""What a person watches in the terminal: one live line with an estimate of the end; plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from agents.dqn.settings import Settings
from agents.dqn.stats import RunStats

PLAIN_SECONDS = 30.0  # between two lines where the output is no terminal


class LiveLine:
    """A progress bar with a line beside it; plain lines now and then where the output is no terminal."""

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
        """`done` is the share that lies behind, 0..1."""
        self.progress.update(self.task, completed=done, line=line)
        if not self.console.is_terminal and time.monotonic() - self.printed >= PLAIN_SECONDS:
            self.console.print(line, soft_wrap=True, highlight=False)
            self.printed = time.monotonic()


class Display(LiveLine):
    """A deep Q-learning run on its way to whichever end comes first: steps or minutes."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.world.env)
        self.stop = settings.stop

    def update(self, stats: RunStats, scalars: dict[str, float], *, seconds: float, rate: float) -> None:
        """Show the newest figures. Scores are those of the lanes at low epsilon, else of all."""
        name = "low_epsilon" if stats.greedy else "all_lanes"
        score = scalars.get(f"score_while_training/{name}")
        done = min(max(stats.agent_steps / self.stop.steps, seconds / (60 * self.stop.minutes)), 1.0)
        left = min((self.stop.steps - stats.agent_steps) / max(rate, 1e-9), 60 * self.stop.minutes - seconds)
        shown = "no game over yet" if score is None else f"score {score:.1f}"
        line = (
            f"{stats.agent_steps:,} steps  {rate:,.0f}/s  {shown}  "
            f"epsilon {scalars['acting/epsilon_mean']:.3f}  {clock(seconds)} gone, {clock(max(left, 0))} left at most"
        )
        self.show(done, line)

    @staticmethod
    @contextmanager
    def evaluation(episodes: int) -> Iterator[Callable[[int], None]]:
        """A bar over the games of an evaluation."""
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("evaluation", total=episodes)
            yield lambda done: progress.update(task, completed=done)


def clock(seconds: float) -> str:
    """Seconds as 1:23 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
