"""sweep: many trainings as trials of Ray Tune, every configuration judged over several seeds."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from agents.dqn.presets import PRESETS
from agents.dqn.settings import Settings
from cluster.cli.arguments import parse
from cluster.cli.commands import preset_of
from cluster.cli.train import check, for_its_world
from cluster.fleet import placement
from cluster.settings_file import write_settings
from cluster.tuning.results import config_of, draw, importance, trials_of
from cluster.tuning.session import ENDLESS, ray_for_tune
from cluster.tuning.space import Space, range_of, read_space, require_cloneable
from cluster.tuning.sweep import Sweep, runs_serially, search
from cluster.tuning.trial import Plan
from training.csv_table import drop_half_row, rounds_of, write_table
from training.files import write_json
from training.process import require_memory
from training.provenance import origin, process_seconds
from training.resume import writing
from training.run_dir import RunDir, default_run_dir
from training.settings import changed, from_dict, to_dict

OWN = ("space", "scheduler", "search", "trials", "seeds", "rounds", "gpu")  # options that a resumed sweep keeps


def sweep(arguments: list[str]) -> int:
    """`quarterdeck sweep PRESET --space FILE_OR_NAME ...`."""
    started = time.monotonic() - process_seconds()
    preset, rest = preset_of(arguments, "sweep")
    settings = changed(PRESETS[preset](), {"stop.minutes": ENDLESS, "stop.score": None})
    options = parse(Sweep, rest, f"sweep {preset}", Sweep(settings=settings))
    options = replace(options, settings=for_its_world(options.settings, preset))
    directory = RunDir(options.run_dir or default_run_dir("sweep", options.settings.world.env, options.settings.seed))
    if options.resume:
        options, space = _resumed(directory, preset, rest)
    else:
        space = read_space(options.space, options.settings)
        if options.scheduler == "pbt":
            require_cloneable(space)
    needed = check(options.settings, print_all=False)
    if options.dry_run:
        print(json.dumps({"settings": to_dict(options.settings), "space": _plain(space)}, indent=2))
        return 0
    require_memory(needed * (options.concurrent or 1), "replay", "lower --replay.capacity or --concurrent")
    go_on = f"quarterdeck sweep {preset} --run-dir {directory.path} --resume"
    with writing(directory, go_on, resume=options.resume):
        if options.resume:
            drop_half_row(directory.path / "rounds.csv")
        with ray_for_tune(options.least_cores() * (options.concurrent or 1)) as interrupt:
            plan = _settled(options)
            if not options.resume:
                directory.create(_record(options, space, preset, plan))
            search(options, space, plan, directory)
        if interrupt.raised:
            print(f"saved; go on with: {go_on}")
            return 0
        close(options, space, preset, directory, time.monotonic() - started)
    return 0


def _record(options: Sweep, space: Space, preset: str, plan: Plan) -> dict[str, Any]:
    own = {name: getattr(options, name) for name in OWN}
    record = {"workload": "sweep", "preset": preset, "serial": plan.serial, "sweep": own, "space": _plain(space)}
    return {**record, "settings": to_dict(options.settings), **origin()}


def _settled(options: Sweep) -> Plan:
    """The plan of all trials, once the cluster is known: on which device, as fleets or serial loops.

    Raises:
        ValueError: the cluster lacks what the settings ask for.
    """
    s = options.settings
    device = placement.settled_device(s.learner.device, s.fleet.learners)
    settled = replace(options, settings=replace(s, learner=replace(s.learner, device=device)))
    return settled.plan(serial=runs_serially(settled))


def close(options: Sweep, space: Space, preset: str, directory: RunDir, seconds: float) -> None:
    """Tables, the picture, every trial's settings as a file, the best of them, summary.json.

    Raises:
        ValueError: no trial has come to a score.
    """
    rounds = rounds_of(directory.path / "rounds.csv")
    if not rounds:
        raise ValueError(f"no trial has come to a score: {directory.path / 'trials'} holds an error.txt for each")
    rows, base = trials_of(rounds), PRESETS[preset]()
    columns = ("trial", "round", "agent_steps", "score", "spread", *space)
    write_table(directory.path / "trials.csv", columns, rows)
    best = rows[0]
    title = f"{options.settings.world.env}, {options.scheduler}, {len(rows)} trials x {options.seeds} seeds"
    draw(directory.path / "sweep.png", rounds, space, title)
    (directory.path / "settings").mkdir(exist_ok=True)
    files = [directory.path / "settings" / f"{row['trial']}.toml" for row in rows]
    for row, file in (*zip(rows, files, strict=True), (best, directory.path / "best.toml")):
        said = (
            f"quarterdeck sweep {preset}: {row['trial']}, score {row['score']} after {row['agent_steps']} agent steps"
        )
        write_settings(file, changed(options.settings, config_of(row, space)), base, said)
    summary = {
        **{name: getattr(options, name) for name in OWN},
        "trial": best["trial"],
        "score": float(best["score"]),
        "spread": float(best["spread"]),
        "agent_steps": int(best["agent_steps"]),
        "settings": config_of(best, space),
        "importance": importance(rows, space),
        "trained_agent_steps": sum(int(row["agent_steps"]) for row in rows) * options.seeds,
        "seconds": seconds,
        "seed": options.settings.seed,
        **origin(),
    }
    write_json(directory.summary, summary)
    print(f"best: {best['trial']} with {float(best['score']):.2f}; everything is in {directory.path}")
    print(f"train it with new seeds: quarterdeck train {preset} --settings {directory.path / 'best.toml'} --seed N")


def _plain(space: Space) -> dict[str, Any]:
    return {name: {r.kind: r.values} for name, r in space.items()}


def _resumed(directory: RunDir, preset: str, arguments: list[str]) -> tuple[Sweep, Space]:
    """The sweep's own options and space, with the places it may now take.

    Raises:
        ValueError: the sweep is another preset's, or something else was to change.
    """
    recorded = directory.record("sweep")
    if recorded["preset"] != preset:
        raise ValueError(f"{directory.path} is a sweep of {recorded['preset']}: name that preset")
    settings: Settings = from_dict(Settings, recorded["settings"])
    own = Sweep(settings=settings, serial=recorded["serial"], **recorded["sweep"])
    asked = parse(Sweep, arguments, f"sweep {preset}", own)
    free: dict[str, Any] = {"run_dir": None, "resume": False, "dry_run": False, "concurrent": None}
    if replace(asked, **free) != own:
        raise ValueError("a resumed sweep keeps its settings: start anew for others")
    return asked, {name: range_of(name, values) for name, values in recorded["space"].items()}
