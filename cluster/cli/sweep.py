"""`quarterdeck sweep`: trials of Ray Tune at equal budget, each configuration with several seeds."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster.cli.arguments import parse
from cluster.cli.commands import preset_of
from cluster.cli.train import require_room, run_dir_of
from cluster.tuning.plan import least_cores, planned, require_comparable
from cluster.tuning.snapshots import kept_file
from cluster.tuning.space import Space, range_of, read_space, require_cloneable
from cluster.tuning.sweep import TRIALS, Sweep, search
from cluster.tuning.tuner import ray_for_tune
from cluster.tuning.write import OWN, write_results
from cluster.workloads import Workload, workload_of
from training.process import keep_freed_memory
from training.settings import changed, flat, from_dict, to_dict
from training.storage.csv_table import drop_half_row
from training.storage.files import write_json
from training.storage.ownership import require_own
from training.storage.provenance import origin, process_seconds
from training.storage.resume import writing
from training.storage.run_dir import RunDir


def sweep(arguments: list[str]) -> int:
    """Run `quarterdeck sweep PRESET --space FILE_OR_NAME ...`."""
    started = time.monotonic() - process_seconds()
    preset, rest = preset_of(arguments, "sweep")
    work = workload_of(preset)
    options = _parsed(work, preset, rest, Sweep(settings=changed(work.default(preset), work.endless)))
    directory = RunDir(options.run_dir or run_dir_of(work, preset, options.settings, command="sweep"))
    if options.resume:
        options, space = _resumed(work, directory, preset, rest)
    else:
        require_comparable(options, work)
        space = read_space(options.space, options.settings, work.load("search"), (*work.ends, *work.in_trials))
        if options.scheduler == "pbt":
            require_cloneable(space, work.load("search"))
    needed = work.load("check")(options.settings)
    if options.dry_run:
        print(json.dumps({"settings": to_dict(options.settings), "space": _plain(space)}, indent=2))
        return 0
    needed, remedy = needed * (options.concurrent or 1), "lower --replay.capacity or --concurrent"
    require_room(work, options.settings, needed, remedy, serial=options.serial)
    go_on = shlex.join(["quarterdeck", "sweep", preset, "--run-dir", str(directory.path), "--resume"])
    with writing(directory, go_on, resume=options.resume):
        if options.resume:
            require_own(directory.path / TRIALS, kept_file(directory.path / TRIALS))
            drop_half_row(directory.path / "rounds.csv")
        found = _search(work, preset, options, space, directory)
        if found is None:
            print(f"saved; resume with: {go_on}")
            return 0
        write_json(directory.summary, {**found, "seconds": time.monotonic() - started})
    return _told(found, work, preset, options, directory)


def _told(found: dict[str, Any], work: Workload, preset: str, options: Sweep[Any], directory: RunDir) -> int:
    """Say what was found; returns the command's exit status."""
    name = work.load("search").metric.name
    print(f"best: {found['trial']} with {name} {found[name]:.2f}; everything is in {directory.path}")
    if found["eval"]:
        print(f"it was kept: {found['eval']['said']}")
    best, new = directory.path / "best.toml", flat(options.settings)["seed"] + options.seeds
    again = ["quarterdeck", "train", preset, "--settings", str(best), "--seed", str(new)]
    print(f"train it with new seeds, {new} and up: {shlex.join(again)}")
    if found["failed"]:
        errors = directory.path / TRIALS / "*" / "error.txt"
        print(f"failed trials: {found['failed']}, as told above and in {errors}; --resume tries them again")
    return 1 if found["failed"] else 0


def _search(work: Workload, preset: str, options: Sweep[Any], space: Space, directory: RunDir) -> dict[str, Any] | None:
    """Run the trials and write what was found -> what summary.json is to hold; None if a person interrupts."""
    keep_freed_memory()
    shared: Any = work.load("share")(options.settings, directory.path) if work.share else None
    with ray_for_tune(least_cores(options, work, preset) * (options.concurrent or 1)) as interrupt:
        spec, concurrent = planned(options, work, preset, directory)
        if not options.resume:
            data = {"data": shared.digest} if shared else {}
            directory.create({**_record(options, space, work, preset, directory, serial=spec.serial), **data})
        grid = search(options, space, spec, concurrent, directory, shared)
        return None if interrupt.raised else write_results(options, space, spec, directory, grid, shared)


def _record(
    options: Sweep[Any], space: Space, work: Workload, preset: str, directory: RunDir, *, serial: bool
) -> dict[str, Any]:
    own = {name: getattr(options, name) for name in OWN}
    record = {"made_by": "sweep", "workload": work.name, "preset": preset, "serial": serial, "sweep": own}
    record["path"] = str(directory.path.absolute())  # Tune's state contains it
    return {**record, "space": _plain(space), "settings": to_dict(options.settings), **origin()}


def _parsed(work: Workload, preset: str, arguments: list[str], default: Sweep[Any]) -> Sweep[Any]:
    kind: Any = Sweep[work.load("settings")]  # type: ignore[misc]
    options: Sweep[Any] = parse(kind, arguments, f"sweep {preset}", default)
    return replace(options, settings=work.adapted(preset, options.settings))


def _plain(space: Space) -> dict[str, Any]:
    return {name: {r.kind: r.values} for name, r in space.items()}


def _resumed(work: Workload, directory: RunDir, preset: str, arguments: list[str]) -> tuple[Sweep[Any], Space]:
    """Return options and space of a resumed sweep, with the given --gpu.

    Raises:
        ValueError: the sweep has another preset or version, was moved, or another option differs.
    """
    recorded = directory.record("sweep")
    if recorded["preset"] != preset:
        raise ValueError(f"{directory.path} is a sweep of {recorded['preset']}: name that preset")
    if "space" not in recorded:
        raise ValueError(f"{directory.path} is a sweep by an older version's gan-sweep: end it there, or start anew")
    _require_unmoved(directory, recorded)
    settings, search = from_dict(work.load("settings"), recorded["settings"]), work.load("search")
    given = {name: value for name, value in recorded["sweep"].items() if name in OWN}
    own: Sweep[Any] = Sweep(settings=settings, serial=recorded["serial"], **given)
    asked = _parsed(work, preset, arguments, own)
    free: dict[str, Any] = {"run_dir": None, "resume": False, "dry_run": False, "gpu": None}
    if asked.concurrent != own.concurrent:
        raise ValueError("a resumed sweep has as many trials at once as it began with: leave --concurrent out")
    if replace(asked, **free) != own:
        raise ValueError("a resumed sweep keeps its settings: start anew for others")
    ends = (*work.ends, *work.in_trials)
    return asked, {name: range_of(name, line, type(settings), search, ends) for name, line in recorded["space"].items()}


def _require_unmoved(directory: RunDir, recorded: dict[str, Any]) -> None:
    """Check that a sweep was not moved or copied: Tune would write to the original folder.

    Raises:
        ValueError: it was. Records of older versions have no path.
    """
    began = Path(recorded.get("path", directory.path))
    if not (began.exists() and began.samefile(directory.path)):
        raise ValueError(f"{directory.path} was begun as {began} and goes on only there: move it back, or name that")
