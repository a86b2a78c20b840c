"""train and evaluate: what each command does between its arguments and its exit status."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from agents import checkpoint
from agents.config import Settings, from_dict, to_dict
from agents.evaluation import evaluate_network, policy_of, told
from agents.memory import keep_freed_memory, require_memory
from agents.networks import QNetwork
from agents.presets import PRESETS
from agents.serial import SerialRun
from agents.stats import counters
from agents.tabular import TabularSettings
from cluster.arguments import parse
from cluster.command_table import preset_of
from cluster.display import Display
from cluster.options import Evaluate
from cluster.rundir import RunDir, default_run_dir, origin, process_seconds, protocol_name, write_json
from cluster.session import Run, Session
from cluster.settings_file import read_settings
from cluster.tables import TABULAR_PRESETS, evaluate_table, train_table
from envs import make_world


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
        return train_table(table.settings, directory, resume=table.resume, dry_run=table.dry_run)
    options = _parsed(rest, preset, PRESETS[preset]())
    settings = options.settings
    directory = RunDir(options.run_dir or default_run_dir(preset, settings.world.env, settings.seed))
    if options.resume:
        settings = _resumed_settings(directory, preset, rest)
    needed = check(settings, print_all=options.dry_run)
    if options.dry_run:
        return 0
    require_memory(needed, "replay", "lower --replay.capacity")
    # A run that ended before its first checkpoint begins anew.
    saved = checkpoint.complete(directory.checkpoints) if options.resume else []
    if not options.resume:
        directory.create({"preset": preset, "serial": options.serial, "settings": to_dict(settings), **origin()})
    serial = directory.record()["serial"] if options.resume else options.serial
    return _run(settings, directory, saved[-1] if saved else None, started, serial=serial)


def _parsed(arguments: list[str], preset: str, default: Settings) -> Train:
    """What is given on the command line, over what stands in --settings, over `default`."""
    options = parse(Train, arguments, f"train {preset}", Train(settings=default))
    if options.settings_file is None:
        return options
    return parse(Train, arguments, f"train {preset}", Train(settings=read_settings(options.settings_file, default)))


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
    if world.frame_dtype.kind == "i":
        raise ValueError(f"{settings.world.env} only numbers its states: learn it by table, train taxi --env NAME")
    QNetwork(settings.network, world.frame_shape, world.num_actions)
    needed = settings.replay_bytes(world.frame_shape, world.frame_dtype.itemsize)
    world.close()
    settings.rows_per_lane()
    if settings.fleet.learners == 0:  # others run where the GPUs are
        settings.learner.resolve_device()
    if print_all:
        print(json.dumps({"settings": to_dict(settings), "replay_gib": round(needed / 2**30, 3)}, indent=2))
    return needed


def _run(settings: Settings, directory: RunDir, found: Path | None, started: float, *, serial: bool) -> int:
    keep_freed_memory()
    run: Run
    if serial:
        run = SerialRun(settings)
    else:
        from cluster.fleet import FleetRun  # Ray and RLlib take seconds, and nothing else here needs them

        run = FleetRun(settings)
    try:
        if found is not None:
            run.load(found)
        session = Session(run, settings, directory, started, run.stats.seconds)
        interrupted = session.train()
        summary = session.close(evaluate=not interrupted)
    finally:
        run.close()
    preset, result, steps = directory.record()["preset"], summary["eval"], f"{summary['agent_steps']:,} agent steps"
    if interrupted:
        print(f"saved; go on with: quarterdeck train {preset} --run-dir {directory.path} --resume")
    else:
        score = f"{result['mean']:.2f} over {result['episodes']} games"
        minutes = f"{summary['seconds'] / 60:.1f} minutes"
        print(f"{settings.world.env}: {score} after {steps} in {minutes}; everything is in {directory.path}")
    return 0


def evaluate(options: Evaluate) -> int:
    """`quarterdeck evaluate RUN_DIR ...`."""
    directory = RunDir(options.run_dir)
    recorded = directory.record()
    if recorded["preset"] in TABULAR_PRESETS:
        result = evaluate_table(directory, options.episodes)
    else:
        settings: Settings = from_dict(Settings, recorded["settings"])
        protocol = options.protocol or settings.evaluation.protocol
        judged = dataclasses.replace(settings.evaluation, protocol=protocol, episodes=options.episodes)
        settings = dataclasses.replace(settings, evaluation=judged)
        path = checkpoint.latest(directory.checkpoints)
        with Display.evaluation(options.episodes) as on_step:
            scores = evaluate_network(
                policy_of(checkpoint.load(path, only="learner"), settings),
                settings,
                episodes=options.episodes,
                threads=2,
                on_step=on_step,
            )
        result = {**scores.summary(), **counters(path), "checkpoint": str(path)}
    write_json(directory.path / f"evaluation-{protocol_name(result['protocol'])}.json", result)
    print(json.dumps(result) if options.json else told(result))
    return 0
