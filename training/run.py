"""Interface between sessions and anything that can be trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from training.search import Judgement


class Clock(NamedTuple):
    """Progress of a run, in the unit of its curves."""

    name: str  # "agent_steps" or "images"; the last word is the unit of rates
    now: int
    end: int

    @property
    def unit(self) -> str:
        """Unit: "steps", "images"."""
        return self.name.rpartition("_")[2]


class About(NamedTuple):
    """Description of a run, known before its first step."""

    title: str  # in the progress line and the curve
    columns: tuple[str, ...]  # of curve.csv, after seconds and clock
    minutes: float  # wall-clock limit
    checkpoint_minutes: float  # between checkpoints
    settings: dict[str, Any]  # by dotted name
    compared: dict[str, Any]  # hyperparameters for TensorBoard
    defaults: dict[str, Any]  # the preset's values of these; settings that differ are shown first
    results: tuple[str, ...]  # metrics of TensorBoard's hyperparameter tab, first that of the closing evaluation
    charts: dict[str, dict[str, list[str]]]  # TensorBoard layout: category, title, tags
    checkpoint_every: int = 0  # on the clock instead of minutes, if checkpoints affect training
    data: str = ""  # digest of data that may change under the same name, for run.json


class Record(NamedTuple):
    """A report at one point of a run."""

    at: int  # on the run's clock
    scalars: dict[str, float]  # by tag
    row: dict[str, Any] | None = None  # of curve.csv, if any


class Picture(NamedTuple):
    """An image or an animation."""

    tag: str
    data: bytes  # PNG or GIF
    at: int  # on the run's clock
    about: str = ""
    file: str = ""  # also written to this file of the run directory


class Closing(NamedTuple):
    """The evaluation of a finished run."""

    score: float  # for comparison of runs
    said: str  # short text of the result
    result: dict[str, Any]  # for summary.json
    pictures: tuple[Picture, ...] = ()


class Run(Protocol):
    """A training, such as `DqnRun` in one process or on a fleet, `DatasetRun` or `GanRun`."""

    about: About
    seconds: float  # wall-clock seconds up to the last checkpoint; set by the session, saved in checkpoints

    @property
    def clock(self) -> Clock: ...

    def step(self, until: int) -> None:
        """Train for about a second, at most until `until` on the clock, rounded up to a whole step of the run.

        Raises:
            CannotGoOn: training cannot continue; its state can be saved.
            FloatingPointError: training has diverged; the last checkpoint is older.
        """

    def goal_reached(self) -> bool:
        """Return whether the run has reached the goal of its settings."""

    def records(self) -> list[Record]:
        """Return the reports since the last call."""

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Return values [N] since the last call, by tag, for histograms."""

    def pictures(self) -> list[Picture]:
        """Return the new pictures since the last call."""

    def line(self) -> str:
        """Return the current score for the progress line."""

    def judge(self) -> Judgement:
        """Evaluate the run in its current state, for a sweep."""

    def finish(self) -> None:
        """Do what is left after training and before the last checkpoint; not called after an interrupt."""

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """Run the closing evaluation; `on_step` is called with the progress, 0..1, and may raise to end it."""

    def summary(self) -> dict[str, Any]:
        """Return additional entries of summary.json."""

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Plot curve.csv."""

    def save(self, folder: Path) -> Path:
        """Write a checkpoint under `folder`; return its directory."""

    def load(self, path: Path) -> None:
        """Restore a checkpoint."""

    def close(self) -> None:
        """Free all resources. Idempotent."""
