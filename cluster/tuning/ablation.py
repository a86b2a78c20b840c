"""Trainings of an ablation: every stage with every seed, one core each."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

import ray
import torch

from agents.dqn.parts import make_replay
from agents.dqn.serial import SerialLoop
from agents.dqn.settings import Settings
from agents.evaluation.evaluate import evaluate_policy
from agents.replay.no_replay import NoReplay
from cluster.tuning.ablation_settings import NAIVE, stages
from training.errors import CannotGoOn
from training.messages import one_line
from training.process import keep_freed_memory
from training.storage.csv_table import append_row
from training.storage.run_dir import RunDir

COLUMNS = ("stage", "seed", "score", "agent_steps", "updates", "seconds")
RETRIES = 3  # of a training whose node has died


def trained(stage: str, settings: Settings) -> dict[str, Any]:
    """Train one stage with one seed; return its row: mean score of greedy games, counters, seconds."""
    torch.set_num_threads(1)
    keep_freed_memory()
    started = time.monotonic()
    run = SerialLoop(settings, partial(make_replay, kind=NoReplay) if stage == NAIVE else None)
    while run.stats.agent_steps < settings.stop.steps:
        run.step()
    score = evaluate_policy(run.policy(), settings, episodes=settings.evaluation.episodes, threads=1).scores.mean()
    run.close()
    counted = {"agent_steps": run.stats.agent_steps, "updates": run.stats.updates}
    return {
        "stage": stage,
        "seed": settings.seed,
        "score": float(score),
        **counted,
        "seconds": time.monotonic() - started,
    }


def train_all(settings: Settings, seeds: int, directory: RunDir) -> list[dict[str, Any]]:
    """Train all stages with all seeds as Ray tasks of one core; tasks of dead nodes are retried.

    Raises:
        CannotGoOn: a training failed, or its retries are used up.
    """
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(trained)
    each = range(settings.seed, settings.seed + seeds)
    jobs = [(stage, replace(s, seed=seed)) for seed in each for stage, s in stages(settings).items()]
    job_of = {task.remote(*job): job for job in jobs}
    left = list(job_of)
    rows: list[dict[str, Any]] = []
    while left:
        ready, left = ray.wait(left)
        stage, of_stage = job_of[ready[0]]
        try:
            row = ray.get(ready[0])
        except ray.exceptions.RayError as error:
            why = one_line(getattr(error, "cause", None) or error)
            raise CannotGoOn(f"{stage}, seed {of_stage.seed}: {why}; mend that, then start anew") from error
        append_row(directory.path / "ablation.csv", COLUMNS, row)
        rows.append(row)
        print(f"{len(rows)}/{len(jobs)} {row['stage']}, seed {row['seed']}: {row['score']:.2f}", flush=True)
    return rows
