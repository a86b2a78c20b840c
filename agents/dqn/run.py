"""A run of deep Q-learning, in one process or on a fleet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from agents.acting.rollout import LANE_STEPS
from agents.curve import COLUMNS, JUDGED
from agents.dqn.charts import LAYOUT, RESULTS, compared
from agents.dqn.serial import SerialLoop
from agents.dqn.settings import Settings
from agents.dqn.throughput import throughput
from agents.loop_run import Loop, LoopRun
from agents.replay.limiter import SamplesPerInsert
from training.run import About, Record
from training.settings import flat


class ReplayLoop(Loop, Protocol):
    """A loop with replay: `agents.dqn.serial.SerialLoop` or `cluster.fleet.loop.FleetLoop`."""

    @property
    def limiter(self) -> SamplesPerInsert: ...

    def save(self, folder: Path, also: Callable[[Path], None] = ...) -> Path: ...


class DqnRun(LoopRun):
    """Run of a loop with replay; `defaults` holds the preset's settings."""

    loop: ReplayLoop
    settings: Settings

    def __init__(self, loop: ReplayLoop, settings: Settings, defaults: Settings, *, serial: bool) -> None:
        about = About(
            title=settings.env.id,
            columns=(*COLUMNS, JUDGED),
            minutes=settings.stop.minutes,
            checkpoint_minutes=settings.checkpoint_minutes,
            settings=flat(settings),
            compared=compared(settings),
            defaults=compared(defaults),
            results=RESULTS,
            charts=LAYOUT,
            checkpoint_every=LANE_STEPS * settings.fleet.lanes if serial else 0,
        )
        super().__init__(loop, settings, about)
        self.serial = serial

    def records(self) -> list[Record]:
        """Return records since the last report; evaluations are dated by the agent steps of their weights."""
        stats, scalars = self.loop.stats, self.read(self.settings.fleet.lanes)
        scalars["run/samples_per_insert"] = self.loop.limiter.measured()
        evaluations, stats.evaluations = stats.evaluations, []
        row = stats.row(scalars)
        newest = (evaluations[-1][0], evaluations[-1][1]["mean"]) if evaluations else (None, None)
        row[JUDGED], row["evaluation"] = newest
        judged = [Record(steps, {"evaluation/score_mean": summary["mean"]}) for steps, summary in evaluations]
        stages = throughput(scalars, self.settings, serial=self.serial)
        return [*judged, Record(stats.agent_steps, scalars | stages, row)]

    def summary(self) -> dict[str, Any]:
        """Return counters, seed and the measured samples per insert."""
        stats = self.loop.stats
        counters = {"frames": stats.frames, "updates": stats.updates, "episodes": stats.episodes}
        return {**counters, "samples_per_insert": self.loop.limiter.measured(), "seed": self.settings.seed}


def make_run(settings: Settings, defaults: Settings, folder: Path) -> DqnRun:
    """Create a run of deep Q-learning in this process."""
    return DqnRun(SerialLoop(settings), settings, defaults, serial=True)
