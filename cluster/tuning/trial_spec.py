"""Specification shared by all trials of a sweep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.tuning.space import by_setting
from cluster.workloads import Workload, workload_of
from training.run import Run
from training.settings import changed, flat
from training.storage import checkpoint


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """Specification shared by all trials of a sweep."""

    preset: str
    settings: Any
    seeds: tuple[int, ...]  # of every configuration
    rounds: int  # of each seed; a round is one iteration of Tune
    serial: bool  # one process per trial instead of a fleet
    gpu: float = 0.0  # share of a GPU of a trial's main process
    stop_diverged: bool = True  # whether a diverged trial ends, because it is never replaced by a clone
    # Folders of the driver, on shared storage if there are other nodes.
    pictures: Path | None = None
    folder: Path | None = None  # of running trials; shards on other nodes write there, too

    @property
    def work(self) -> Workload:
        """Kind of training."""
        return workload_of(self.preset)

    def settings_of(self, config: dict[str, Any], seed: int) -> Any:
        """Return the settings of one seed of a configuration {"learner.learning_rate": 1e-3, ...}."""
        return changed(self.settings, {**by_setting(config), **self.work.in_trials, "seed": seed})

    def clock_after(self, rounds: int) -> int:
        """Return a seed's clock after `rounds` rounds."""
        end: int = flat(self.settings)[self.work.end]
        return math.ceil(end * rounds / self.rounds)

    def bundles(self) -> list[dict[str, float]]:
        """Return a trial's resources: a bundle for the main process, then one per actor that takes a core."""
        found = [{"CPU": 1.0}] if self.serial else self.work.fleet_module().bundles(self.settings)
        return [{**found[0], "GPU": self.gpu} if self.gpu else found[0], *found[1:]]

    def kept_run(self, config: dict[str, Any], seed: int, saved: Path, folder: Path, shared: Any) -> Run | None:
        """Load a seed's newest checkpoint under `saved` in this process; None if there is none."""
        written = checkpoint.complete(saved)
        if not written:
            return None
        run = self.work.new_run(self.preset, self.settings_of(config, seed), folder, serial=True, shared=shared)
        run.load(written[-1])
        return run

    def kept_score(self, run: Run | None) -> float:
        """Return the score of a run's best saved model; the worst score if it has none yet."""
        metric = self.work.load("search").metric
        if not metric.kept:
            return math.nan
        kept = None if run is None else run.summary()[f"select_{metric.name}"]
        return float(metric.worst if kept is None else kept)


def cores(bundles: list[dict[str, float]]) -> float:
    """Return the cores of a trial."""
    return sum(bundle.get("CPU", 0) for bundle in bundles)
