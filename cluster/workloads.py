"""All kinds of training, one row each. Imports nothing heavy.

Entries "module:name" are loaded lazily. A new algorithm is a row here, a new family of GANs one in `cluster/gans.py`.
"""

from __future__ import annotations

from typing import Any

from cluster.gans import GANS
from cluster.workload import ENDLESS
from cluster.workload import Workload as Workload
from training.entry import import_entry_module

DQN = Workload(
    name="dqn",
    presets=("pong", "quarterdeck", "atari", "cartpole", "catch", "dqn2013", "dqn2015", "rainbow", "qrdqn", "apex"),
    settings="agents.dqn.settings:Settings",
    table="agents.dqn.presets:PRESETS",
    check="agents.dqn.check:check",
    make_run="agents.dqn.run:make_run",
    fleet="cluster.fleet.loop",
    evaluate="cluster.agent_runs:evaluate_run",
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
    make_run="agents.pqn.run:make_run",
    fleet="cluster.fleet.on_policy",
    evaluate="cluster.agent_runs:evaluate_run",
    search="agents.pqn.space:SEARCH",
    end="stop.steps",
    ends=("stop.steps", "stop.minutes", "stop.score"),
    endless={"stop.minutes": ENDLESS, "stop.score": None},
    trains_on="env.id",
    learner="learner",
    adapt="agents.dqn.check:for_its_env",
)
RECURRENT = DQN._replace(
    name="recurrent",
    presets=("tmaze", "stateless-cartpole", "repeat-previous", "flickering-pong"),
    settings="agents.recurrent.settings:RecurrentSettings",
    table="agents.recurrent.presets:PRESETS",
    search="agents.recurrent.space:SEARCH",
)
SAC = DQN._replace(
    name="sac",
    presets=("halfcheetah", "hopper"),
    settings="agents.sac.settings:SacSettings",
    table="agents.sac.presets:PRESETS",
    check="agents.sac.check:check",
    judged_by=("episodes", "protocol"),
    search="agents.sac.space:SEARCH",
    adapt="",
)
DECOUPLED = SAC._replace(
    name="decoupled",
    presets=("halfcheetah-decoupled",),
    settings="agents.decoupled.settings:DecoupledSettings",
    table="agents.decoupled.presets:PRESETS",
    judged_by=DQN.judged_by,
    search="agents.dqn.space:SEARCH",
)
SELFPLAY = DQN._replace(
    name="selfplay",
    presets=("pong-duel", "toy-duel"),
    settings="agents.selfplay.settings:SelfPlaySettings",
    table="agents.selfplay.presets:PRESETS",
    check="agents.selfplay.check:check",
    make_run="agents.selfplay.run:make_run",
    fleet="cluster.self_play",
    adapt="agents.selfplay.check:for_its_env",
)
TABLE = Workload(
    name="table",
    presets=("taxi", "frozenlake", "cliffwalking"),
    settings="agents.tabular.settings:TabularSettings",
    table="agents.tabular.settings:PRESETS",
    check="agents.tabular.run:check",
    make_run="agents.tabular.run:TabularRun",
    evaluate="agents.tabular.evaluate:evaluate_run",
    judged_by=("episodes",),
    search="agents.tabular.space:SEARCH",
    end="steps",
    ends=("steps",),
    trains_on="env",
)
CLONING = Workload(
    name="cloning",
    presets=("cloning",),
    settings="agents.imitation.settings:CloningSettings",
    table="agents.imitation.presets:PRESETS",
    check="agents.imitation.cloning:check",
    make_run="agents.imitation.cloning:make_cloning",
    evaluate="cluster.agent_runs:evaluate_run",
    search="agents.imitation.space:SEARCH",
    end="samples",
    ends=("samples", "minutes"),
    endless={"minutes": ENDLESS},
    trains_on="env.id",
    learner="learner",
    adapt="agents.imitation.cloning:with_dataset_env",
)
OFFLINE = CLONING._replace(
    name="offline",
    presets=("offline",),
    settings="agents.imitation.settings:OfflineSettings",
    table="agents.imitation.presets:OFFLINE_PRESETS",
    make_run="agents.imitation.offline:make_offline",
)
AGENTS = (DQN, PQN, RECURRENT, SAC, DECOUPLED, SELFPLAY, TABLE, CLONING, OFFLINE)
WORKLOADS = {row.name: row for row in (*AGENTS, *GANS)}
PRESETS = tuple(preset for row in WORKLOADS.values() for preset in row.presets)


def register(row: Workload) -> None:
    """Register a user's kind of training, with presets "package.module:preset" on the command line."""
    WORKLOADS[row.name] = row


def workload_of(preset: str) -> Workload:
    """Return the kind of training of a preset; the module of "package.module:preset" is imported for registration.

    Raises:
        ValueError: there is no such module or preset.
    """
    module, _, name = preset.rpartition(":")
    if module:
        import_entry_module(module, preset)
    found = [row for row in WORKLOADS.values() if name in row.presets]
    if not found:
        raise ValueError(f"unknown preset {preset!r}: use one of {', '.join(PRESETS)}")
    return found[-1]


def workload_of_run(record: dict[str, Any]) -> Workload:
    """Return the kind of training of a run."""
    return workload_of(record["preset"]) if ":" in record["preset"] else WORKLOADS[record["workload"]]


def settings_of_run(record: dict[str, Any]) -> Any:
    """Return the settings of a run."""
    from training.settings import from_dict  # imports numpy, not needed for --help

    return from_dict(workload_of_run(record).load("settings"), record["settings"])
