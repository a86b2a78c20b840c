"""What a session drives, whatever it trains: its clock, its reports, its pictures, how it is judged and saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from training.search import Judgement


class Clock(NamedTuple):
    """How far a run is, by the measure that its curves are drawn over."""

    name: str  # "agent_steps" or "images"; its last word is what a rate counts
    now: int
    end: int

    @property
    def unit(self) -> str:
        """What passes: "steps", "images"."""
        return self.name.rpartition("_")[2]


class About(NamedTuple):
    """What is known of a run before its first step."""

    title: str  # what the live line and the curve call it
    columns: tuple[str, ...]  # of curve.csv, behind the seconds and the clock
    minutes: float  # of wall clock, after which it ends
    checkpoint_minutes: float  # between two checkpoints
    settings: dict[str, Any]  # by dotted name
    compared: dict[str, Any]  # settings that TensorBoard may compare runs by
    usual: dict[str, Any]  # the preset's values of these: those that differ are shown first
    results: tuple[str, ...]  # tags that TensorBoard may compare runs by; the first is the closing evaluation's
    charts: dict[str, dict[str, list[str]]]  # of TensorBoard's first tab: category, title, tags
    checkpoint_every: int = 0  # on the clock, and not in minutes: for a run whose training each checkpoint changes
    data: str = ""  # digest of what it learns from, for run.json, where that may change and keep its name


class Record(NamedTuple):
    """What a run has to report of one moment."""

    at: int  # on the run's clock
    scalars: dict[str, float]  # by tag
    row: dict[str, Any] | None = None  # of curve.csv; None adds none


class Picture(NamedTuple):
    """A picture or an animation."""

    tag: str
    data: bytes  # PNG or GIF
    at: int  # on the run's clock
    about: str = ""
    file: str = ""  # it also lies under this name in the run directory


class Closing(NamedTuple):
    """The evaluation of a finished run."""

    score: float  # what runs are compared by
    said: str  # the result in a few words
    result: dict[str, Any]  # for summary.json
    pictures: tuple[Picture, ...] = ()


class Run(Protocol):
    """One training, whatever it trains: `DqnRun` on one process or a fleet, `DatasetRun`, `GanRun`."""

    about: About
    seconds: float  # of wall clock up to the last checkpoint; the session sets it, checkpoints keep it

    @property
    def clock(self) -> Clock: ...

    def step(self, until: int) -> None:
        """Train for about a second, and no further than `until` on the clock but for what is trained in one piece.

        Raises:
            CannotGoOn: with a state that can be saved.
            FloatingPointError: training has diverged; the last checkpoint is from before.
        """

    def goal_reached(self) -> bool:
        """Whether the run is as good as its settings want it, before its time is over."""

    def records(self) -> list[Record]:
        """What there is to report since the last call."""

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Single values [N] since the last call, by tag, for histograms."""

    def pictures(self) -> list[Picture]:
        """What there is to look at since the last call."""

    def line(self) -> str:
        """How good it is, for the live line."""

    def judge(self) -> Judgement:
        """How good it is at this moment, for a sweep."""

    def finish(self) -> None:
        """Training has come to its end, and nobody has interrupted: what is still to do before the last checkpoint."""

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """The closing evaluation; `on_step` is told the share that lies behind, 0..1, and may raise to end it."""

    def summary(self) -> dict[str, Any]:
        """What else summary.json holds."""

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Draw curve.csv."""

    def save(self, folder: Path) -> Path:
        """Write a checkpoint under `folder` -> its directory."""

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""

    def close(self) -> None:
        """Free what the run holds; a second call does nothing."""
