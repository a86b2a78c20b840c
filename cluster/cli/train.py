"""`quarterdeck train`: from arguments to a session, for all kinds of training."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro

from cluster.cli.arguments import changed_options, parse
from cluster.cli.commands import preset_of
from cluster.workloads import Workload, workload_of
from training.device import said_precision, used_precision
from training.interrupt import Interrupt
from training.process import keep_freed_memory, require_memory
from training.session import Session
from training.settings import changed, flat, from_dict, to_dict
from training.settings_file import read_settings
from training.storage.provenance import origin, process_seconds
from training.storage.resume import resume, writing
from training.storage.run_dir import RunDir, default_run_dir

S = TypeVar("S")
SHARED_OUT = ("fleet.shards", "fleet.learners", "fleet.roles")  # without effect in one process


@dataclass(frozen=True, kw_only=True)
class Train(Generic[S]):
    """Train one of the presets."""

    settings_file: Annotated[Path | None, tyro.conf.arg(name="settings")] = None
    """TOML file of settings that override the preset, such as a sweep's best.toml; options override both."""
    run_dir: Path | None = None
    """Directory of all output; default runs/PRESET-ENV-sSEED."""
    serial: tyro.conf.FlagCreatePairsOff[bool] = False
    """Train in one process without Ray: slower, reproducible bit for bit. Always on for data sets, tables and GANs."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Resume the run in --run-dir; only stopping criteria may change: minutes, steps, score, images or samples."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print all settings and the memory of replay, without training."""
    settings: Annotated[S, tyro.conf.arg(name="")]


def train(arguments: list[str]) -> int:
    """Run `quarterdeck train PRESET ...`."""
    started = time.monotonic() - process_seconds()
    preset, rest = preset_of(arguments, "train")
    work = workload_of(preset)
    options = parsed(work, preset, rest, work.default(preset))
    directory = RunDir(options.run_dir or run_dir_of(work, preset, options.settings))
    if options.serial and not options.resume:
        require_one_process(options.settings, work.default(preset))
    settings, ends = options.settings, list[str]()
    serial = options.serial or not work.fleet
    if options.resume:
        settings, ends, serial = _resumed(work, preset, rest, directory)
    needed = work.load("check")(settings)
    if options.dry_run:
        print(json.dumps({"settings": to_dict(settings), "replay_gib": round(needed / 2**30, 3)}, indent=2))
        return 0
    require_room(work, settings, needed, "lower --replay.capacity", serial=serial)
    go_on = shlex.join(["quarterdeck", "train", preset, "--run-dir", str(directory.path), "--resume", *ends])
    with writing(directory, go_on, resume=options.resume):
        if options.resume:
            return _run(work, settings, directory, None, started, go_on)
        record = {"made_by": "train", "workload": work.name, "preset": preset, "serial": serial}
        record |= {"settings": to_dict(settings), "precision": used_precision(*precision_of(work, settings))}
        return _run(work, settings, directory, {**record, **origin()}, started, go_on)


def parsed(work: Workload, preset: str, arguments: list[str], default: S) -> Train[S]:
    """Parse options, which override those of --settings, which override `default`."""
    kind: Any = Train[work.load("settings")]  # type: ignore[misc]
    options: Train[S] = parse(kind, arguments, f"train {preset}", Train(settings=default))
    if options.settings_file is not None:
        file = read_settings(options.settings_file, default)
        options = parse(kind, arguments, f"train {preset}", Train(settings=file))
    return dataclasses.replace(options, settings=work.adapted(preset, options.settings))


def require_one_process(settings: Any, defaults: Any) -> None:
    """Check that no option for fleets was given with --serial; values of the preset are ignored.

    Raises:
        ValueError: one was given.
    """
    if idle := changed_options(flat(settings), flat(defaults), SHARED_OUT):
        raise ValueError(f"--serial trains in one process: leave {' and '.join(idle)} alone, or leave --serial out")


def require_room(work: Workload, settings: Any, needed: int, remedy: str, *, serial: bool | None) -> None:
    """Check memory for replay, unless it is kept by shards or learners on other nodes.

    Raises:
        ValueError: this machine has less than `needed` bytes free.
    """
    values = flat(settings)
    holders = values.get("fleet.shards", 0) + values.get("fleet.learners", 0)
    if serial or not work.fleet or not holders or "RAY_ADDRESS" not in os.environ:
        require_memory(needed, "replay", remedy)


def run_dir_of(work: Workload, preset: str, settings: Any, command: str = "") -> Path:
    """Return the default run directory."""
    values = flat(settings)
    return default_run_dir(command or preset, values.get(work.trains_on, preset), values["seed"])


def precision_of(work: Workload, settings: Any) -> tuple[Any, str]:
    """Return precision and device of the settings; fp32 and cpu if they have none."""
    values = flat(settings)
    return (values[f"{work.learner}.precision"], values[f"{work.learner}.device"]) if work.learner else ("fp32", "cpu")


def _resumed(work: Workload, preset: str, arguments: list[str], directory: RunDir) -> tuple[Any, list[str], bool]:
    """Return a resumed run's settings with new stopping criteria, these as arguments, and whether it is serial.

    Raises:
        ValueError: the run has another preset or is a fleet's, or other settings differ.
    """
    recorded = directory.record()
    if recorded["preset"] != preset:
        raise ValueError(f"{directory.path} is a run of {recorded['preset']}: train {recorded['preset']} resumes it")
    own = from_dict(work.load("settings"), recorded["settings"])
    options = parsed(work, preset, arguments, own)
    asked = options.settings
    if options.serial and not recorded["serial"]:
        raise ValueError(f"{directory.path} is trained by a fleet: leave --serial out, or start anew with it")
    given, recorded_ends = flat(asked), {name: flat(own)[name] for name in work.ends}
    if changed(asked, recorded_ends) != own:
        *others, last = [option_of(name) for name in work.ends] or ["nothing"]
        free = f"{', '.join(others)} and {last}" if others else last
        raise ValueError(f"a resumed run keeps its settings: change only {free}, or start anew")
    words: list[str] = []
    for name, value in recorded_ends.items():
        if given[name] != value:
            words += [option_of(name), str(given[name])]
    return asked, words, recorded["serial"]


def option_of(name: str) -> str:
    """Return the option of a setting without section on the command line, such as --steps for stop.steps."""
    return f"--{name.rpartition('.')[2]}"


def _run(
    work: Workload, settings: Any, directory: RunDir, new: dict[str, Any] | None, started: float, go_on: str
) -> int:
    """Train a new run with the record `new`, or resume the existing one."""
    keep_freed_memory()
    recorded = new or directory.record()
    run = work.new_run(recorded["preset"], settings, directory.path, serial=recorded["serial"])
    try:
        if new is not None:
            data = {"data": run.about.data} if run.about.data else {}
            directory.create({**new, **data})  # only now: the cluster has the required resources
        else:
            resume(directory, run.load)  # starts anew if there is no checkpoint
        seed, precision = flat(settings)["seed"], said_precision(*precision_of(work, settings))
        print(f"{run.about.title}: seed {seed}, in {precision}", file=sys.stderr)
        with Interrupt() as interrupt:
            session = Session(run, directory, interrupt, started)
            session.train()
            trained, now, minutes = not interrupt.raised, run.clock.now, session.seconds() / 60
            closing = session.close()
    finally:
        run.close()
    if closing is not None:
        after = f"{now:,} {run.clock.name.replace('_', ' ')} in {minutes:.1f} minutes"
        print(f"{run.about.title}: {closing.said} after {after}; everything is in {directory.path}")
    elif trained:
        where = shlex.quote(str(directory.path))
        print(f"saved; trained to the end, not evaluated: quarterdeck evaluate {where} does that")
    else:
        print(f"saved; resume with: {go_on}")
    return 0
