"""Tabular runs: the same run directory, summary and curve as a deep run, in one process."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import chain
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from agents.tabular.q_learning import (
    TabularProgress,
    TabularSettings,
    evaluate_tabular,
    load_table,
    save_table,
    taxi,
    train_tabular,
)
from training.curve import COLUMNS, draw_curve
from training.files import write_json
from training.provenance import origin
from training.resume import read_newest, writing
from training.run_dir import RunDir
from training.settings import from_dict, to_dict

TABULAR_PRESETS: dict[str, Callable[[], TabularSettings]] = {"taxi": taxi}
EPISODES = 100


def train_table(settings: TabularSettings, directory: RunDir, preset: str, *, resume: bool, dry_run: bool) -> int:
    """Train a table to the end of its steps; it takes seconds, so it is never resumed.

    Raises:
        ValueError: `resume` was asked for, or the directory is not free.
    """
    if resume:
        raise ValueError("a table is trained in seconds: start anew instead of --resume")
    if dry_run:
        print(json.dumps({"settings": to_dict(settings), "replay_gib": 0.0}, indent=2))
        return 0
    again = f"quarterdeck train {preset} with another --run-dir (a table is not resumed)"
    with writing(directory, again, resume=False):
        started = time.monotonic()
        updates = train_tabular(settings)
        progress = next(updates)  # a world without numbered states fails here, before anything is written
        directory.create({"preset": preset, "serial": True, "settings": to_dict(settings), **origin()})
        last = _recorded(chain([progress], updates), directory, started)
        score = _close(settings, directory, last, time.monotonic() - started)
    print(f"{settings.env}: {score:.2f} over {EPISODES} games; everything is in {directory.path}")
    return 0


def _recorded(updates: Iterable[TabularProgress], directory: RunDir, started: float) -> TabularProgress:
    """Train to the end, every update as a row of the curve and on TensorBoard -> the last of them."""
    with closing(SummaryWriter(str(directory.tensorboard))) as writer, directory.curve_csv.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(COLUMNS)
        for progress in updates:
            rows.writerow(_row(progress, time.monotonic() - started))
            writer.add_scalar("score_while_training/all_lanes", progress.mean_return, progress.agent_steps)
            writer.add_scalar("acting/epsilon_mean", progress.epsilon, progress.agent_steps)
    return progress


def _close(settings: TabularSettings, directory: RunDir, progress: TabularProgress, seconds: float) -> float:
    """Save the table, play the closing games, write summary.json -> the mean score."""
    path = save_table(directory.checkpoints, progress)
    result = evaluate_tabular(progress.q, settings, EPISODES).summary()
    draw_curve(directory.curve_csv, directory.curve_png, settings.env, settings.seed)
    summary = {
        "agent_steps": progress.agent_steps,
        "frames": progress.frames,
        "updates": progress.agent_steps,
        "episodes": progress.episodes,
        "seconds": seconds,
        "steps_per_second": progress.agent_steps / seconds,
        "samples_per_insert": 1.0,
        "eval": result,
        "checkpoint": str(path),
        "seed": settings.seed,
        **origin(),
    }
    write_json(directory.summary, summary)
    return float(result["mean"])


def _row(progress: TabularProgress, seconds: float) -> list[Any]:
    score = "" if progress.mean_return != progress.mean_return else progress.mean_return
    return [round(seconds, 1), progress.agent_steps, progress.frames, progress.agent_steps, score, None, None]


def evaluate_table(directory: RunDir, episodes: int) -> dict[str, Any]:
    """The summary of greedy games by a saved table."""
    settings: TabularSettings = from_dict(TabularSettings, directory.record()["settings"])
    path, saved = read_newest(directory, load_table)
    return {
        **evaluate_tabular(saved.q, settings, episodes).summary(),
        "agent_steps": saved.agent_steps,
        "frames": saved.frames,
        "checkpoint": str(path),
    }
