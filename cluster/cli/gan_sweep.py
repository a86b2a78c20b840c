"""gan-sweep: many GAN trainings as trials of Ray Tune, at equal images whatever the scheduler."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from cluster.cli.arguments import parse
from cluster.cli.commands import preset_of
from cluster.cli.gan import cache_of, prepared, told
from cluster.tuning.gan_results import trials_of, winner_of, write_tables
from cluster.tuning.gan_tuner import GanSweep, search
from cluster.tuning.session import ENDLESS, ray_for_tune
from gan.export import export_generator
from gan.run import Best, GanRun, report, trainer_of
from gan.samples.writer import close_album
from gan.standard.presets import PRESETS
from gan.standard.settings import GanSettings
from training.csv_table import drop_half_row, rounds_of
from training.files import write_json
from training.process import keep_freed_memory
from training.provenance import origin, process_seconds
from training.resume import writing
from training.run_dir import RunDir, default_run_dir
from training.settings import changed, from_dict, to_dict

OWN = ("scheduler", "trials", "rounds")  # options that a resumed sweep keeps


def gan_sweep(arguments: list[str]) -> int:
    """`quarterdeck gan-sweep PRESET ...`."""
    started = time.monotonic() - process_seconds()
    preset, rest = preset_of(arguments, "gan-sweep")
    default = GanSweep(settings=changed(PRESETS[preset](), {"minutes": ENDLESS}))
    options = parse(GanSweep, rest, f"gan-sweep {preset}", default)
    options = replace(options, settings=options.chosen(), data=None, images=None)
    name = f"gan-sweep-{options.scheduler}"
    directory = RunDir(options.run_dir or default_run_dir(name, preset, options.settings.seed))
    if options.resume:
        options = _resumed(directory, preset, rest)
    if options.dry_run:
        print(json.dumps({"settings": to_dict(options.settings)}, indent=2))
        return 0
    go_on = f"quarterdeck gan-sweep {preset} --run-dir {directory.path} --resume"
    with writing(directory, go_on, resume=options.resume):
        if options.resume:
            drop_half_row(directory.path / "rounds.csv")
        keep_freed_memory()
        run = prepared(options.settings, cache_of(directory))
        if not options.resume:
            own = {name: getattr(options, name) for name in OWN}
            record = {"workload": "gan-sweep", "preset": preset, "serial": False, "sweep": own}
            directory.create({**record, "settings": to_dict(options.settings), **origin()})
        with ray_for_tune(options.concurrent or 1) as interrupt:
            results = search(options, run, directory)
        if interrupt.raised:
            print(f"saved; go on with: {go_on}")
            return 0
        close(options, run, directory, winner_of(results), time.monotonic() - started)
    return 0


def close(options: GanSweep, run: GanRun, directory: RunDir, winner: tuple[str, Best], seconds: float) -> None:
    """Tables, the winning settings, the best generator with its scores on the report part, summary.json."""
    (trial, best), data = winner, run.trainer.data
    rounds = rounds_of(directory.path / "rounds.csv")
    rows = trials_of(rounds, options.settings.training.images / options.rounds)
    write_tables(rows, rounds, directory.path, f"{data.name}, {options.scheduler}, seed {options.settings.seed}")
    trainer = trainer_of(best, data)
    scores = report(trainer, run.judge.extractor)
    export_generator(trainer, directory.generator, {"part": "report", **scores})
    with SummaryWriter(str(directory.tensorboard)) as writer:
        close_album(writer, directory, trainer)
    found = {"select_fd_clf": best.fd_clf, "trial": trial, "best_images": best.images}
    write_json(directory.path / "best.json", {**found, "settings": best.settings})
    summary = {
        **scores,
        **found,
        **{name: getattr(options, name) for name in OWN},
        "images": sum(row["images"] for row in rows),
        "seconds": seconds,
        "seed": options.settings.seed,
        **origin(),
    }
    write_json(directory.summary, summary)
    print(f"{data.name}: {told(scores)}, by {trial}; everything is in {directory.path}")


def _resumed(directory: RunDir, preset: str, arguments: list[str]) -> GanSweep:
    """The sweep's own options, with the places it may now take.

    Raises:
        ValueError: the sweep is another preset's, or something else was to change.
    """
    recorded = directory.record("gan-sweep")
    if recorded["preset"] != preset:
        raise ValueError(f"{directory.path} is a sweep of {recorded['preset']}: name that preset")
    own = GanSweep(settings=from_dict(GanSettings, recorded["settings"]), **recorded["sweep"])
    asked = parse(GanSweep, arguments, f"gan-sweep {preset}", own)
    free: dict[str, Any] = {"run_dir": None, "resume": False, "dry_run": False, "concurrent": None, "gpu": None}
    if replace(asked, settings=asked.chosen(), data=None, images=None, **free) != own:
        raise ValueError("a resumed sweep keeps its settings: start anew for others")
    return asked
