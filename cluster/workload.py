"""One kind of training, as a row of data: an entry "module:name" is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from training.entry import load_entry

if TYPE_CHECKING:
    from training.run import Run  # which loads numpy

S = TypeVar("S")
NOTHING: Mapping[str, Any] = MappingProxyType({})
ENDLESS = 1e9  # minutes


class Workload(NamedTuple):
    """One kind of training."""

    name: str  # as run.json has it
    presets: tuple[str, ...]
    settings: str  # class of its settings
    table: str  # its presets by name: functions that return settings
    check: str  # (settings) -> bytes it will keep in memory; every mistake that can be known beforehand is raised
    make_run: str  # (settings, the preset's own, folder) -> training.run.Run, in this process
    evaluate: str  # (run directory, record, options, on_step) -> result, its name as a file, and in a line
    search: str  # what sweeps rank by, and may search: a training.search.Searchable
    end: str  # the setting that its clock runs to
    ends: tuple[str, ...]  # settings that a resumed run may change
    judged_by: tuple[str, ...] = ("episodes", "protocol", "epsilon")  # what `evaluate` may be told of it
    endless: Mapping[str, Any] = NOTHING  # how a sweep sets the others: its trials end by what they have trained
    in_trials: Mapping[str, Any] = NOTHING  # a trial is judged at the end of a round, and not in between
    share: str = ""  # (settings, folder) -> what trials share, with a `digest` of it: a further argument of `make_run`
    trains_on: str = ""  # the setting that names a run's env; the preset does where there is none
    learner: str = ""  # the section that names precision and device
    fleet: str = ""  # module with `make_run`, `bundles` and `shares_out` on a cluster; one process where there is none
    adapt: str = ""  # (settings, the preset's own) -> settings, once the command line is known

    def load(self, entry: str) -> Any:
        """What the entry called `entry` stands for."""
        return load_entry(getattr(self, entry))

    @property
    def clock(self) -> str:
        """What its runs' clock is called."""
        return {"steps": "agent_steps"}.get(self.end.rpartition(".")[2], self.end.rpartition(".")[2])

    def fleet_module(self) -> Any:
        """What knows how this is trained by a fleet. It loads Ray and RLlib."""
        return import_module(self.fleet)

    def default(self, preset: str) -> Any:
        """The settings of a preset."""
        return self.load("table")[preset.rpartition(":")[2]]()

    def adapted(self, preset: str, settings: S) -> S:
        """The settings of a preset as its runs want them, once the command line is known."""
        made: S = self.load("adapt")(settings, self.default(preset)) if self.adapt else settings
        return made

    def new_run(self, preset: str, settings: Any, folder: Path, *, serial: bool, shared: Any = None) -> Run:
        """A run of a preset with these settings, in this process or by a fleet, with what a sweep's trials share."""
        # Ray and RLlib are not imported beside `ray.init`: RLlib registers its algorithms when it is imported, and that
        # would start a second Ray while the first is on its way.
        make = self.load("make_run") if serial else self.fleet_module().make_run
        run: Run = make(settings, self.default(preset), folder, *([] if shared is None else [shared]))
        return run
