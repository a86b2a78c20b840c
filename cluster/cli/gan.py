"""gan and gan-sample: what each does between its arguments and its exit status."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.cli.arguments import parse
from cluster.cli.commands import preset_of
from cluster.cli.options import GanSample
from cluster.gan_frames import images_of
from cluster.gan_options import GanOptions
from cluster.gan_session import GanSession
from gan.evaluation.features import extractor_for
from gan.evaluation.scores import Judge
from gan.export import load_generator
from gan.run import GanRun
from gan.samples.pictures import fixed_grid, walk
from gan.standard.presets import PRESETS
from gan.standard.settings import GanSettings
from gan.standard.trainer import Trainer
from training.device import said_precision, used_precision
from training.files import write_gif, write_png
from training.interrupt import Interrupt
from training.process import keep_freed_memory
from training.provenance import origin, process_seconds
from training.resume import writing
from training.run_dir import RunDir, default_run_dir
from training.settings import changed, from_dict, to_dict


@dataclass(frozen=True, kw_only=True)
class Gan(GanOptions):
    """Train a generative adversarial network."""


def gan(arguments: list[str]) -> int:
    """`quarterdeck gan PRESET ...`."""
    started = time.monotonic() - process_seconds()
    preset, rest = preset_of(arguments, "gan")
    options = parse(Gan, rest, f"gan {preset}", Gan(settings=PRESETS[preset]()))
    settings = options.chosen()
    directory = RunDir(options.run_dir or default_run_dir("gan", preset, settings.seed))
    if options.resume:
        settings = _resumed_settings(directory, preset, rest)
    if options.dry_run:
        print(json.dumps({"settings": to_dict(settings)}, indent=2))
        return 0
    go_on = f"quarterdeck gan {preset} --run-dir {directory.path} --resume"
    with writing(directory, go_on, resume=options.resume):
        keep_freed_memory()
        precision = settings.training.precision, settings.training.device
        run = prepared(settings, cache_of(directory))
        if not options.resume:
            record = {"workload": "gan", "preset": preset, "serial": True, "settings": to_dict(settings)}
            directory.create({**record, "precision": used_precision(*precision), **origin()})
        print(f"{settings.data.source}: seed {settings.seed}, in {said_precision(*precision)}", file=sys.stderr)
        summary = _trained(run, directory, started)
    if "fd_clf" not in summary:
        print(f"saved; go on with: {go_on}")
    else:
        minutes = f"{summary['images']:,} images in {summary['seconds'] / 60:.1f} minutes"
        print(f"{run.trainer.data.name}: {told(summary)} after {minutes}; everything is in {directory.path}")
    return 0


def _trained(run: GanRun, directory: RunDir, started: float) -> dict[str, Any]:
    """Train, or go on, to the end or until a person interrupts -> what summary.json holds."""
    with Interrupt() as interrupt:
        session = GanSession(run, directory, interrupt, started)
        with closing(session.writer):
            session.train()
            return session.close()


def cache_of(directory: RunDir) -> Path:
    """Where classifiers and rendered frames lie: beside the runs, which share them."""
    return directory.path.absolute().parent / ".gan-cache"


def prepared(settings: GanSettings, cache: Path) -> GanRun:
    """Data, networks and judge of a training, built in this order so that every mistake shows at once."""
    settings.training.resolve_device()
    data = images_of(settings.data, cache)
    trainer = Trainer(settings, data)
    return GanRun(trainer, Judge(data, extractor_for(data, cache), settings.scores, "select"))


def told(scores: dict[str, Any]) -> str:
    """The scores that matter most, in a line."""
    distance = f"fd_clf {scores['fd_clf']:.2f} (real images {scores['fd_floor']:.2f} +- {scores['fd_floor_std']:.2f})"
    return f"{distance}, precision {scores['precision']:.2f}, recall {scores['recall']:.2f}"


def _resumed_settings(directory: RunDir, preset: str, arguments: list[str]) -> GanSettings:
    """The run's own settings, with the ends that were asked for.

    Raises:
        ValueError: the run is another preset's, or something else than its ends was to change.
    """
    recorded = directory.record("gan")
    if recorded["preset"] != preset:
        raise ValueError(f"{directory.path} is a run of {recorded['preset']}: gan {recorded['preset']} resumes it")
    own = from_dict(GanSettings, recorded["settings"])
    asked = parse(Gan, arguments, f"gan {preset}", Gan(settings=own)).chosen()
    ends = {"minutes": own.minutes, "training.images": own.training.images}
    if changed(asked, ends) != own:
        raise ValueError("a resumed run keeps its settings: change only --images and --minutes, or start anew")
    return asked


def gan_sample(options: GanSample) -> int:
    """`quarterdeck gan-sample RUN_DIR --out FILE.png`."""
    for file, suffix in ((options.out, ".png"), (options.walk, ".gif")):
        if file is not None and (file.suffix != suffix or file.is_dir() or not file.parent.is_dir()):
            raise ValueError(f"{file} cannot be written: name a FILE{suffix} in a folder that exists")
    if not 0 <= options.seed < 2**31:
        raise ValueError(f"seed is {options.seed}: use 0 to {2**31 - 1}")
    found = load_generator(RunDir(options.run_dir).generator)
    write_png(options.out, fixed_grid(found.network, options.seed))
    if options.walk is not None:
        write_gif(options.walk, walk(found.network, options.seed))
    print(" and ".join(str(file) for file in (options.out, options.walk) if file is not None))
    return 0
