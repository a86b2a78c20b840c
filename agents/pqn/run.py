"""A run of PQN, in one process or on a fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.acting.rollout import LANE_STEPS
from agents.curve import COLUMNS
from agents.loop_run import Loop, LoopRun
from agents.pqn.charts import LAYOUT, RESULTS, compared
from agents.pqn.serial import SerialLoop
from agents.pqn.settings import PqnSettings
from training.run import About, Record
from training.settings import flat


class PqnRun(LoopRun):
    """Run of a loop of `agents.pqn.serial` or `cluster.fleet.on_policy`; `defaults` holds the preset's settings."""

    settings: PqnSettings

    def __init__(self, loop: Loop, settings: PqnSettings, defaults: PqnSettings, *, serial: bool) -> None:
        about = About(
            title=settings.env.id,
            columns=COLUMNS,
            minutes=settings.stop.minutes,
            checkpoint_minutes=settings.checkpoint_minutes,
            settings=flat(settings),
            compared=compared(settings),
            defaults=compared(defaults),
            results=RESULTS,
            charts=LAYOUT,
            checkpoint_every=LANE_STEPS * settings.learner.num_envs if serial else 0,
        )
        super().__init__(loop, settings, about)

    def records(self) -> list[Record]:
        """Return one record of everything since the last report."""
        stats, scalars = self.loop.stats, self.read(self.settings.learner.num_envs)
        return [Record(stats.agent_steps, scalars, stats.row(scalars))]

    def summary(self) -> dict[str, Any]:
        """Return counters and seed; every transition is sampled once an epoch."""
        stats, s = self.loop.stats, self.settings
        counters = {"frames": stats.frames, "updates": stats.updates, "episodes": stats.episodes}
        return {**counters, "samples_per_insert": float(s.learner.epochs), "seed": s.seed}


def make_run(settings: PqnSettings, defaults: PqnSettings, folder: Path) -> PqnRun:
    """Create a PQN run in this process."""
    return PqnRun(SerialLoop(settings), settings, defaults, serial=True)
