"""What can be trained: one row for every kind of training, as data. Nothing heavy is imported here.

An entry "module:name" is loaded when it is asked for. A new algorithm or family is one more row.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

from training.entry import imported, named

ENDLESS = 1e9  # minutes
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Workload(NamedTuple):
    """One kind of training."""

    name: str  # as run.json has it
    presets: tuple[str, ...]
    settings: str  # class of its settings
    table: str  # its presets by name: functions that return settings
    check: str  # (settings) -> bytes it will keep in memory; every mistake that can be known beforehand is raised
    make_run: str  # (settings, preset, folder) -> training.run.Run, in this process
    evaluate: str  # (run directory, record, options, on_step) -> result, its name as a file, and in a line
    search: str  # what sweeps rank by, and may search: a training.search.Searchable
    end: str  # the setting that its clock runs to
    ends: tuple[str, ...]  # settings that a resumed run may change
    endless: Mapping[str, Any] = NOTHING  # how a sweep sets the others: its trials end by what they have trained
    in_trials: Mapping[str, Any] = NOTHING  # a trial is judged at the end of a round, and not in between
    share: str = ""  # (settings, folder) -> what all trials of a sweep share, a further argument of `make_run`
    trains_on: str = ""  # the setting that names a run's env; the preset does where there is none
    learner: str = ""  # the section that names precision and device
    fleet: str = ""  # module with `make_run`, `bundles` and `shares_out` on a cluster; one process where there is none
    adapt: str = ""  # (settings, preset) -> settings, once the command line is known

    def load(self, entry: str) -> Any:
        """What the entry called `entry` stands for."""
        return named(getattr(self, entry))

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


DQN = Workload(
    name="dqn",
    presets=("pong", "quarterdeck", "atari", "cartpole", "catch", "dqn2013", "dqn2015", "rainbow", "apex"),
    settings="agents.dqn.settings:Settings",
    table="agents.dqn.presets:PRESETS",
    check="agents.dqn.check:check",
    make_run="agents.dqn.run:make_run",
    fleet="cluster.fleet.loop",
    evaluate="agents.dqn.run:evaluate_run",
    search="agents.dqn.space:SEARCH",
    end="stop.steps",
    ends=("stop.steps", "stop.minutes", "stop.score"),
    endless={"stop.minutes": ENDLESS, "stop.score": None},
    in_trials={"evaluation.every_steps": 0},
    trains_on="env.id",
    learner="learner",
    adapt="agents.dqn.check:for_its_env",
)
PQN = Workload(
    name="pqn",
    presets=("pqn",),
    settings="agents.pqn.settings:PqnSettings",
    table="agents.pqn.presets:PRESETS",
    check="agents.pqn.check:check",
    make_run="agents.pqn.run:PqnRun",
    evaluate="agents.pqn.run:evaluate_run",
    search="agents.pqn.space:SEARCH",
    end="stop.steps",
    ends=("stop.steps", "stop.minutes", "stop.score"),
    endless={"stop.minutes": ENDLESS, "stop.score": None},
    trains_on="env.id",
    learner="learner",
    adapt="agents.pqn.check:for_its_env",
)
SELFPLAY = DQN._replace(
    name="selfplay",
    presets=("pong-duel", "toy-duel"),
    settings="agents.selfplay.settings:SelfPlaySettings",
    table="agents.selfplay.presets:PRESETS",
    check="agents.selfplay.check:check",
    make_run="agents.selfplay.run:make_run",
    fleet="cluster.self_play",
    evaluate="agents.selfplay.run:evaluate_run",
    adapt="agents.selfplay.check:for_its_env",
)
TABLE = Workload(
    name="table",
    presets=("taxi",),
    settings="agents.tabular.settings:TabularSettings",
    table="agents.tabular.settings:PRESETS",
    check="agents.tabular.run:check",
    make_run="agents.tabular.run:TabularRun",
    evaluate="agents.tabular.evaluate:evaluate_run",
    search="agents.tabular.space:SEARCH",
    end="steps",
    ends=("steps",),
    trains_on="env",
)
GAN = Workload(
    name="gan",
    presets=("digits", "fashion", "stacked", "original", "dcgan", "frames", "own"),
    settings="gan.standard.settings:GanSettings",
    table="gan.standard.presets:PRESETS",
    check="cluster.gan_images:check",
    make_run="cluster.gan_images:make_run",
    evaluate="cluster.gan_images:evaluate_run",
    search="gan.space:SEARCH",
    end="training.images",
    ends=("minutes", "training.images"),
    endless={"minutes": ENDLESS},
    in_trials={"scores.every_images": 0},
    share="cluster.gan_images:shared",
    learner="training",
)
WORKLOADS = {row.name: row for row in (DQN, PQN, SELFPLAY, TABLE, GAN)}
PRESETS = tuple(preset for row in WORKLOADS.values() for preset in row.presets)


def register(row: Workload) -> None:
    """Add a kind of training of one's own; its presets are called "package.module:preset" on the command line."""
    WORKLOADS[row.name] = row


def workload_of(preset: str) -> Workload:
    """The kind of training that a preset is one of; the module of "package.module:preset" is imported to register it.

    Raises:
        ValueError: there is no such module or preset.
    """
    module, _, name = preset.rpartition(":")
    if module:
        imported(module, preset)
    found = [row for row in WORKLOADS.values() if name in row.presets]
    if not found:
        raise ValueError(f"unknown preset {preset!r}: use one of {', '.join(PRESETS)}")
    return found[-1]


def workload_of_run(record: dict[str, Any]) -> Workload:
    """What the run with this record trains."""
    return workload_of(record["preset"]) if ":" in record["preset"] else WORKLOADS[record["workload"]]


def settings_of_run(record: dict[str, Any]) -> Any:
    """The settings of the run with this record."""
    from training.settings import from_dict  # numpy, which help does without

    return from_dict(workload_of_run(record).load("settings"), record["settings"])
