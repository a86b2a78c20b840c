"""Runs of GANs and their images, including frames of games and of runs of agents."""

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

RENDERED = ("game", "clips")  # prefixes of data.source, before an env or the directory of a run whose policy plays


class Shared(NamedTuple):
    """Data shared by all trials of a sweep."""

    data: Images
    judge: Scorer

    @property
    def digest(self) -> str:
        """Digest of the images."""
        return self.data.digest()


def images_of(settings: DataSettings, cache: Path) -> Images:
    """Load the images of the settings, including frames of games, which are rendered once and cached.

    Raises:
        ValueError: they are missing or unusable; the message names the remedy.
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
    """Load the images of the run or sweep in `folder`, which may be new.

    Raises:
        ValueError: the run began with other images.
    """
    data, file = images_of(settings, cache_of(folder)), folder / MARKER
    recorded = json.loads(file.read_text()).get("data") if file.exists() else None
    if recorded and recorded != data.digest():  # absent from older records
        raise ValueError(
            f"{folder} began with other images than {settings.source} gives now (its files are others, or the run that "
            "plays has trained on): bring those back, or begin a new run"
        )
    return data


def cache_of(folder: Path) -> Path:
    """Return the cache of classifiers and rendered frames, shared by the runs next to `folder`."""
    return folder.absolute().parent / ".gan-cache"


def check(settings: Any) -> int:
    """Check device and settings; return 0, since there is no replay.

    Raises:
        ValueError: the device does not exist, or settings do not fit each other.
    """
    resolve_device(settings.training.device, "training.device")
    parts_of(settings).SEARCH.valid(settings)
    return 0


def make_run(settings: Any, defaults: Any, folder: Path, shared: tuple[Images, Scorer] | None = None) -> GanRun:
    """Create data, networks and scorer of a run, in this order so that errors show early.

    `shared` has data and scorer of a sweep.
    """
    resolve_device(settings.training.device, "training.device")
    data = shared[0] if shared else images_in(folder, settings.data)
    trainer = parts_of(settings).make_trainer(settings, data)
    judge = shared[1] if shared else judge_of(data, settings, folder)
    return GanRun(trainer, judge, folder, defaults)


def judge_of(data: Images, settings: Any, folder: Path) -> Scorer:
    """Create the scorer of the select part."""
    return parts_of(settings).make_judge(settings, data, cache_of(folder), "select")


def shared(settings: Any, folder: Path) -> Shared:
    """Load the data shared by all trials of a sweep."""
    data = images_in(folder, settings.data)
    return Shared(data, judge_of(data, settings, folder))


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Score a run's best generator on the report part; return the result, its file name and its summary line.

    Raises:
        ValueError: the images are missing, or there is no scored generator yet.
    """
    settings, cache = settings_of_run(record), cache_of(directory.path)
    parts = parts_of(settings)
    path, state = read_newest(directory, lambda path: checkpoint.load(path, only="best"))
    best = Best(**state["best"])
    if not best.weights:
        raise ValueError(f"{directory.path} has no scored generator yet: continue it with --resume")
    data = images_in(directory.path, settings.data)
    judge = parts.make_judge(settings, data, cache, "report")
    scores = report(trainer_of(best, settings, data), judge)
    on_step(1.0)
    return {**scores, "images": best.images, "checkpoint": str(path)}, "report", parts.summary_line(scores)
