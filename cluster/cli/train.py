"""train and evaluate: what each command does between its arguments and its exit status."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from agents.dqn.presets import PRESETS
from agents.dqn.serial import SerialRun
from agents.dqn.settings import Settings
from agents.networks.q_network import QNetwork
from agents.tabular.q_learning import TabularSettings
from agents.tabular.run import TABULAR_PRESETS, train_table
from cluster.cli.arguments import parse
from cluster.cli.commands import preset_of
from cluster.session import Run, Session
from cluster.settings_file import read_settings
from envs import WorldSettings, make_world
from envs.atari import game_name
from envs.registry import require_frames
from training.device import said_precision, used_precision
from training.interrupt import Interrupt
from training.process import keep_freed_memory, require_memory
from training.provenance import origin, process_seconds
from training.resume import resume, writing
from training.run_dir import RunDir, default_run_dir
from training.settings import from_dict, to_dict


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a run is carried out, beside its settings."""

    run_dir: Path | None = None
    """Where everything of this run goes; default runs/PRESET-GAME-sSEED."""
    serial: tyro.conf.FlagCreatePairsOff[bool] = False
    """One process, no Ray: slower, reproducible bit for bit."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with the run in --run-dir; only --minutes, --steps and --score may change."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print all settings and the memory that replay takes; start nothing."""


@dataclass(frozen=True, kw_only=True)
class Train(TrainOptions):
    """Train a deep Q-network."""

    settings_file: Annotated[Path | None, tyro.conf.arg(name="settings")] = None
    """Settings that change the preset, as a sweep's best.toml holds them; those given here change them again."""
    settings: Annotated[Settings, tyro.conf.arg(name="")]


@dataclass(frozen=True, kw_only=True)
class TrainTable(TrainOptions):
    """Train a table of action values."""

    settings: Annotated[TabularSettings, tyro.conf.arg(name="")]


def train(arguments: list[str]) -> int:
    """`quarterdeck train PRESET ...`."""
    started = time.monotonic() - process_seconds()
    preset, rest = preset_of(arguments, "train")
    if preset in TABULAR_PRESETS:
        table = parse(TrainTable, rest, f"train {preset}", TrainTable(settings=TABULAR_PRESETS[preset]()))
        directory = RunDir(table.run_dir or default_run_dir(preset, table.settings.env, table.settings.seed))
        return train_table(table.settings, directory, preset, resume=table.resume, dry_run=table.dry_run)
    options = _parsed(rest, preset, PRESETS[preset]())
    settings = options.settings
    directory = RunDir(options.run_dir or default_run_dir(preset, settings.world.env, settings.seed))
    if options.resume:
        settings = _resumed_settings(directory, preset, rest)
    needed = check(settings, print_all=options.dry_run)
    if options.dry_run:
        return 0
    require_memory(needed, "replay", "lower --replay.capacity")
    go_on = f"quarterdeck train {preset} --run-dir {directory.path} --resume"
    with writing(directory, go_on, resume=options.resume):
        if options.resume:
            return _run(settings, directory, None, started, go_on)
        used = used_precision(settings.learner.precision, settings.learner.device)
        record = {"preset": preset, "serial": options.serial, "settings": to_dict(settings), "precision": used}
        return _run(settings, directory, {**record, **origin()}, started, go_on)


def _parsed(arguments: list[str], preset: str, default: Settings) -> Train:
    """What is given on the command line, over what stands in --settings, over `default`."""
    options = parse(Train, arguments, f"train {preset}", Train(settings=default))
    if options.settings_file is not None:
        file = read_settings(options.settings_file, default)
        options = parse(Train, arguments, f"train {preset}", Train(settings=file))
    return dataclasses.replace(options, settings=for_its_world(options.settings, preset))


def for_its_world(settings: Settings, preset: str) -> Settings:
    """The settings, without the preset's rules of Atari games where the world is none and nobody has changed them."""
    world = settings.world
    own = dataclasses.replace(PRESETS[preset]().world, env=world.env)
    if game_name(world.env) is not None or world != own:
        return settings
    return dataclasses.replace(settings, world=WorldSettings(env=world.env))


def _resumed_settings(directory: RunDir, preset: str, arguments: list[str]) -> Settings:
    """The run's own settings, with the ends that were asked for.

    Raises:
        ValueError: the run is another preset's, or something else than its ends was to change.
    """
    recorded = directory.record()
    if recorded["preset"] != preset:
        raise ValueError(f"{directory.path} is a run of {recorded['preset']}: train {recorded['preset']} resumes it")
    own: Settings = from_dict(Settings, recorded["settings"])
    asked = _parsed(arguments, preset, own).settings
    if dataclasses.replace(asked, stop=own.stop) != own:
        raise ValueError("a resumed run keeps its settings: change only --steps, --minutes and --score, or start anew")
    return asked


def check(settings: Settings, *, print_all: bool) -> int:
    """Build the smallest world of these settings, so that every mistake shows before anything starts.

    Returns the bytes of replay.
    """
    world = make_world(settings.world, 1)
    require_frames(settings.world.env, world)
    QNetwork(settings.network, world.frame_shape, world.num_actions)
    needed = settings.replay_bytes(world.frame_shape, world.frame_dtype.itemsize)
    world.close()
    settings.rows_per_lane()
    if settings.fleet.learners == 0:  # others run where the GPUs are
        settings.learner.resolve_device()
    if print_all:
        print(json.dumps({"settings": to_dict(settings), "replay_gib": round(needed / 2**30, 3)}, indent=2))
    return needed


def _run(settings: Settings, directory: RunDir, new: dict[str, Any] | None, started: float, go_on: str) -> int:
    """Train a run with the record `new`, or go on with the one that is there."""
    keep_freed_memory()
    serial = (new or directory.record())["serial"]
    run: Run = SerialRun(settings) if serial else _fleet(settings)
    try:
        if new is not None:
            directory.create(new)  # not earlier: by now the cluster has what the settings ask for
        else:
            resume(directory, run.load)  # a run that ended before its first checkpoint begins anew
        precision = said_precision(settings.learner.precision, settings.learner.device)
        print(f"{settings.world.env}: seed {settings.seed}, in {precision}", file=sys.stderr)
        with Interrupt() as interrupt:
            session = Session(run, settings, directory, interrupt, started)
            session.train()
            trained = not interrupt.raised
            summary = session.close()
    finally:
        run.close()
    result, steps = summary["eval"], f"{summary['agent_steps']:,} agent steps"
    if result is not None:
        score = f"{result['mean']:.2f} over {result['episodes']} games"
        minutes = f"{summary['seconds'] / 60:.1f} minutes"
        print(f"{settings.world.env}: {score} after {steps} in {minutes}; everything is in {directory.path}")
    elif trained:
        print(f"saved; trained to the end, not evaluated: quarterdeck evaluate {directory.path} does that")
    else:
        print(f"saved; go on with: {go_on}")
    return 0


def _fleet(settings: Settings) -> Run:
    """A fleet run, with Ray and RLlib, which nothing else here needs.

    They are not imported beside `ray.init`: RLlib registers its algorithms when it is imported, and that would start a
    second Ray while the first is on its way.
    """
    from cluster.fleet.run import FleetRun

    return FleetRun(settings)
