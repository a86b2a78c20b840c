"""GANs and what they learn from: the one place where games and runs of agents become images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.evaluation.protocol import JudgeOptions
from agents.playback.frames_dataset import frames_file
from cluster.workloads import settings_of_run
from gan.best import Best, report, said, trainer_of
from gan.data.images import DataSettings, Images, load
from gan.evaluation.features import extractor_for
from gan.evaluation.scores import Judge
from gan.run import GanRun
from gan.standard.presets import PRESETS
from gan.standard.settings import GanSettings
from gan.standard.trainer import Trainer
from training.settings import from_dict
from training.storage import checkpoint
from training.storage.resume import read_newest
from training.storage.run_dir import RunDir

SOURCE = "game:"  # of data.source: an env's name, or the directory of a run whose policy plays


def images_of(settings: DataSettings, cache: Path) -> Images:
    """The images that the settings name, those of games included; frames are rendered once and kept in `cache`.

    Raises:
        ValueError: they are not there or unusable; the message names the remedy.
    """
    if not settings.source.startswith(SOURCE):
        return load(settings)
    name = settings.source.removeprefix(SOURCE)
    return replace(load(replace(settings, source=str(frames_file(name, cache, settings_of_run)))), name=name)


def cache_of(folder: Path) -> Path:
    """Where classifiers and rendered frames lie: beside the runs, which share them."""
    return folder.absolute().parent / ".gan-cache"


def check(settings: GanSettings) -> int:
    """A device that is not here fails at once. Images are small beside replay: 0 bytes."""
    settings.training.resolve_device()
    return 0


def make_run(settings: GanSettings, preset: str, folder: Path, shared: tuple[Images, Judge] | None = None) -> GanRun:
    """Data, networks and judge of a training, built in this order so that every mistake shows at once.

    What is `shared` with other trainings need not be built.
    """
    settings.training.resolve_device()
    data = shared[0] if shared else images_of(settings.data, cache_of(folder))
    trainer = Trainer(settings, data)
    judge = shared[1] if shared else judge_of(data, settings, folder)
    return GanRun(trainer, judge, folder, PRESETS[preset]())


def judge_of(data: Images, settings: GanSettings, folder: Path) -> Judge:
    """The judge of the select part."""
    return Judge(data, extractor_for(data, cache_of(folder)), settings.scores, "select")


def shared(settings: GanSettings, folder: Path) -> tuple[Images, Judge]:
    """What all trials of a sweep have in common."""
    data = images_of(settings.data, cache_of(folder))
    return data, judge_of(data, settings, folder)


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Scores of the best generator of a run on the report part -> the result, its name as a file, and in a line.

    Raises:
        ValueError: the images are not there, or nothing was judged yet.
    """
    settings, cache = from_dict(GanSettings, record["settings"]), cache_of(directory.path)
    path, state = read_newest(directory, lambda path: checkpoint.load(path, only="best"))
    best = Best(**state["best"])
    if not best.weights:
        raise ValueError(f"{directory.path} has judged no generator yet: train it on with --resume")
    data = images_of(settings.data, cache)
    scores = report(trainer_of(best, data), extractor_for(data, cache))
    on_step(1.0)
    return {**scores, "images": best.images, "checkpoint": str(path)}, "report", said(scores)
