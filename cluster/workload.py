"""A kind of training as a row of data, with lazily loaded entries "module:name"."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from training.entry import load_entry

if TYPE_CHECKING:
    from training.run import Run  # imports numpy

S = TypeVar("S")
NOTHING: Mapping[str, Any] = MappingProxyType({})
ENDLESS = 1e9  # minutes


class Workload(NamedTuple):
    """One kind of training."""

    name: str  # in run.json
    presets: tuple[str, ...]
    settings: str  # class of its settings
    table: str  # its presets by name: functions that return settings
    check: str  # (settings) -> bytes of replay; raises all errors that can be found before a run
    make_run: str  # (settings, preset's settings, folder) -> training.run.Run, in this process
    evaluate: str  # (run directory, record, options, on_step) -> result, its file name, its summary line
    search: str  # objective and search spaces of sweeps: a training.search.Searchable
    end: str  # the setting that ends its clock
    ends: tuple[str, ...]  # settings that a resumed run may change
    judged_by: tuple[str, ...] = ("episodes", "protocol", "epsilon")  # options of `evaluate` that apply
    endless: Mapping[str, Any] = NOTHING  # settings that disable the other stopping criteria in sweeps
    in_trials: Mapping[str, Any] = NOTHING  # settings of trials, which are evaluated at the end of rounds only
    share: str = ""  # (settings, folder) -> data shared by trials, with a `digest`: another argument of `make_run`
    trains_on: str = ""  # the setting that names a run's env, else the preset does
    learner: str = ""  # section with precision and device
    fleet: str = ""  # module with `make_run`, `bundles` and `requires_fleet` for fleets; empty if one process trains
    adapt: str = ""  # (settings, preset's settings) -> settings, after parsing the command line

    def load(self, entry: str) -> Any:
        """Load the object of an entry."""
        return load_entry(getattr(self, entry))

    @property
    def clock(self) -> str:
        """Name of its runs' clock."""
        return {"steps": "agent_steps"}.get(self.end.rpartition(".")[2], self.end.rpartition(".")[2])

    def fleet_module(self) -> Any:
        """Import the module of its fleets, which imports Ray and RLlib."""
        return import_module(self.fleet)

    def default(self, preset: str) -> Any:
        """Return the settings of a preset."""
        return self.load("table")[preset.rpartition(":")[2]]()

    def adapted(self, preset: str, settings: S) -> S:
        """Adapt settings after parsing the command line."""
        made: S = self.load("adapt")(settings, self.default(preset)) if self.adapt else settings
        return made

    def new_run(self, preset: str, settings: Any, folder: Path, *, serial: bool, shared: Any = None) -> Run:
        """Create a run, in this process or on a fleet; `shared` is the data shared by a sweep's trials."""
        # RLlib must not be imported during `ray.init`: its import registers algorithms, which would start a second
        # Ray.
        make = self.load("make_run") if serial else self.fleet_module().make_run
        run: Run = make(settings, self.default(preset), folder, *([] if shared is None else [shared]))
        return run
