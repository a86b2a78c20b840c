"""What all trials of a sweep have in common, and what can be told of one without training it."""

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
    """What all trials of a sweep have in common."""

    preset: str
    settings: Any
    seeds: tuple[int, ...]  # every configuration is trained with all of them
    rounds: int  # in which a seed is trained; a round is one step of Tune
    serial: bool  # one process a trial instead of a fleet
    gpu: float = 0.0  # share of a GPU that a trial's main process takes
    stop_diverged: bool = True  # nobody will replace a training that has diverged
    # Folders of the driver's; on a cluster they lie on storage that all nodes share.
    pictures: Path | None = None
    folder: Path | None = None  # in which trials keep what they train: shards on other nodes write there, too

    @property
    def work(self) -> Workload:
        """The row of what is trained."""
        return workload_of(self.preset)

    def settings_of(self, config: dict[str, Any], seed: int) -> Any:
        """The settings of one seed of one configuration: {"learner.learning_rate": 1e-3, ...}."""
        return changed(self.settings, {**by_setting(config), **self.work.in_trials, "seed": seed})

    def clock_after(self, rounds: int) -> int:
        """What a seed's clock shows after so many rounds."""
        end: int = flat(self.settings)[self.work.end]
        return math.ceil(end * rounds / self.rounds)

    def bundles(self) -> list[dict[str, float]]:
        """What a trial reserves: its main process, then one bundle for every actor of a fleet that takes a core."""
        found = [{"CPU": 1.0}] if self.serial else self.work.fleet_module().bundles(self.settings)
        return [{**found[0], "GPU": self.gpu} if self.gpu else found[0], *found[1:]]

    def kept_run(self, config: dict[str, Any], seed: int, saved: Path, folder: Path, shared: Any) -> Run | None:
        """One seed as its newest checkpoint under `saved` has it, in this process; None where there is none."""
        written = checkpoint.complete(saved)
        if not written:
            return None
        run = self.work.new_run(self.preset, self.settings_of(config, seed), folder, serial=True, shared=shared)
        run.load(written[-1])
        return run

    def kept_score(self, run: Run | None) -> float:
        """The score of the best that a run was and still has; the worst there is where it has none yet."""
        metric = self.work.load("search").metric
        if not metric.kept:
            return math.nan
        kept = None if run is None else run.summary()[f"select_{metric.name}"]
        return float(metric.worst if kept is None else kept)


def cores(bundles: list[dict[str, float]]) -> float:
    """Cores that a trial reserves."""
    return sum(bundle.get("CPU", 0) for bundle in bundles)
