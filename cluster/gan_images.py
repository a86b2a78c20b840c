"""GANs and what they learn from: the one place where games and runs of agents become images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from agents.evaluation.protocol import JudgeOptions
from agents.playback.clips_dataset import clips_file
from agents.playback.frames_dataset import SIDE, frames_file
from cluster.workloads import settings_of_run
from gan.best import Best, report, trainer_of
from gan.data.images import DataSettings, Images, load
from gan.parts import Scorer, parts_of
from gan.run import GanRun
from training.device import resolve_device
from training.storage import checkpoint
from training.storage.resume import read_newest
from training.storage.run_dir import MARKER, RunDir

RENDERED = ("game", "clips")  # of data.source, before the name of an env or the directory of a run whose policy plays


class Shared(NamedTuple):
    """What all trials of a sweep have in common."""

    data: Images
    judge: Scorer

    @property
    def digest(self) -> str:
        """Of the images."""
        return self.data.digest()


def images_of(settings: DataSettings, cache: Path) -> Images:
    """The images that the settings name, those of games included; frames are rendered once and kept in `cache`.

    Raises:
        ValueError: they are not there or unusable; the message names the remedy.
    """
    kind, _, name = settings.source.partition(":")
    if kind not in RENDERED or not name:
        return load(settings)
    if kind == "clips":
        file = clips_file(name, cache, settings_of_run)
    else:
        file = frames_file(name, cache, settings_of_run, settings.size or SIDE)
    return replace(load(replace(settings, source=str(file))), name=name)


def images_in(folder: Path, settings: DataSettings) -> Images:
    """`images_of` for the run or the sweep in `folder`, or for one that is to begin there.

    Raises:
        ValueError: it began with other images.
    """
    data, file = images_of(settings, cache_of(folder)), folder / MARKER
    recorded = json.loads(file.read_text()).get("data") if file.exists() else None
    if recorded and recorded != data.digest():  # older versions recorded none
        raise ValueError(
            f"{folder} began with other images than {settings.source} gives now (its files are others, or the run that "
            "plays has trained on): bring those back, or begin a new run"
        )
    return data


def cache_of(folder: Path) -> Path:
    """Where classifiers and rendered frames lie: beside the runs, which share them."""
    return folder.absolute().parent / ".gan-cache"


def check(settings: Any) -> int:
    """The device is here, and settings fit each other. Images are small beside replay: 0 bytes.

    Raises:
        ValueError: one of these is not so.
    """
    resolve_device(settings.training.device, "training.device")
    parts_of(settings).SEARCH.valid(settings)
    return 0


def make_run(settings: Any, usual: Any, folder: Path, shared: tuple[Images, Scorer] | None = None) -> GanRun:
    """Data, networks and judge of a training, built in this order so that every mistake shows at once.

    What is `shared` with other trainings need not be built.
    """
    resolve_device(settings.training.device, "training.device")
    data = shared[0] if shared else images_in(folder, settings.data)
    trainer = parts_of(settings).make_trainer(settings, data)
    judge = shared[1] if shared else judge_of(data, settings, folder)
    return GanRun(trainer, judge, folder, usual)


def judge_of(data: Images, settings: Any, folder: Path) -> Scorer:
    """The judge of the select part."""
    return parts_of(settings).make_judge(settings, data, cache_of(folder), "select")


def shared(settings: Any, folder: Path) -> Shared:
    """What all trials of a sweep have in common."""
    data = images_in(folder, settings.data)
    return Shared(data, judge_of(data, settings, folder))


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Scores of the best generator of a run on the report part -> the result, its name as a file, and in a line.

    Raises:
        ValueError: the images are not there, or nothing was judged yet.
    """
    settings, cache = settings_of_run(record), cache_of(directory.path)
    parts = parts_of(settings)
    path, state = read_newest(directory, lambda path: checkpoint.load(path, only="best"))
    best = Best(**state["best"])
    if not best.weights:
        raise ValueError(f"{directory.path} has judged no generator yet: train it on with --resume")
    data = images_in(directory.path, settings.data)
    judge = parts.make_judge(settings, data, cache, "report")
    scores = report(trainer_of(best, settings, data), judge)
    on_step(1.0)
    return {**scores, "images": best.images, "checkpoint": str(path)}, "report", parts.summary_line(scores)
