"""Tabular runs: the same run directory, summary and curve as a deep run, in one process."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from agents import checkpoint
from agents.config import from_dict, to_dict
from agents.tabular import (
    TabularProgress,
    TabularSettings,
    evaluate_tabular,
    load_table,
    save_table,
    taxi,
    train_tabular,
)
from cluster.curve import COLUMNS, draw_curve
from cluster.rundir import RunDir, origin, write_json

TABULAR_PRESETS: dict[str, Callable[[], TabularSettings]] = {"taxi": taxi}
EPISODES = 100


def train_table(settings: TabularSettings, directory: RunDir, *, resume: bool, dry_run: bool) -> int:
    """Train a table to the end of its steps; it takes seconds, so it is never resumed.

    Raises:
        ValueError: `resume` was asked for, or the directory is not free.
    """
    if resume:
        raise ValueError("a table is trained in seconds: start anew instead of --resume")
    if dry_run:
        print(json.dumps({"settings": to_dict(settings), "replay_gib": 0.0}, indent=2))
        return 0
    directory.require_free()
    started = time.monotonic()
    updates = train_tabular(settings)
    progress = next(updates)  # a world without numbered states fails here, before anything is written
    directory.create({"preset": "taxi", "serial": True, "settings": to_dict(settings), **origin()})
    writer = SummaryWriter(str(directory.tensorboard))
    with directory.curve_csv.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(COLUMNS)
        while True:
            rows.writerow(_row(progress, time.monotonic() - started))
            writer.add_scalar("score_while_training/all_lanes", progress.mean_return, progress.agent_steps)
            writer.add_scalar("acting/epsilon_mean", progress.epsilon, progress.agent_steps)
            following = next(updates, None)
            if following is None:
                break
            progress = following
    writer.close()
    seconds = time.monotonic() - started
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
    print(f"{settings.env}: {result['mean']:.2f} over {EPISODES} games; everything is in {directory.path}")
    return 0


def _row(progress: TabularProgress, seconds: float) -> list[Any]:
    score = "" if progress.mean_return != progress.mean_return else progress.mean_return
    return [round(seconds, 1), progress.agent_steps, progress.frames, progress.agent_steps, score, None, None]


def evaluate_table(directory: RunDir, episodes: int) -> dict[str, Any]:
    """The summary of greedy games by a saved table."""
    settings: TabularSettings = from_dict(TabularSettings, directory.record()["settings"])
    saved = load_table(directory.checkpoints)
    return {
        **evaluate_tabular(saved.q, settings, episodes).summary(),
        "agent_steps": saved.agent_steps,
        "frames": saved.frames,
        "checkpoint": str(checkpoint.latest(directory.checkpoints)),
    }
