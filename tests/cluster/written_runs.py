"""Run directories like those of `quarterdeck train`, written without training."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.curve import COLUMNS
from agents.evaluation.evaluate import Scores
from agents.evaluation.protocol import protocol_name, protocol_rules
from cluster.workloads import workload_of
from envs.base import EnvSettings
from training.settings import to_dict
from training.storage.run_dir import RunDir

Point = tuple[int, float | None, float | None, float | None]  # frames, all_lanes, low_epsilon, evaluation
CURVE: tuple[Point, ...] = ((400, None, None, None), (1_000_000, -20.0, -19.0, None), (2_000_000, -4.0, -2.0, 3.5))


def evaluation_of(
    path: Path, game: str, scores: Sequence[float], protocol: str, epsilon: float = 0.0
) -> dict[str, Any]:
    """Return the record of an evaluation of the run's last policy."""
    rules = protocol_rules(EnvSettings(id=game), protocol)
    record = {"name": protocol, "epsilon": epsilon, "suite": "atari", "game": game, **to_dict(rules)}
    del record["id"], record["full_actions"], record["flicker"]  # recorded only for envs that use them
    frames = np.full(len(scores), 4_000)
    summary = Scores(np.array(scores), frames // 4, frames, {**record, "action_set": "minimal"}).summary()
    return {**summary, "checkpoint": str(path / "checkpoints" / "agent_steps-000000500000")}


def write_run(
    path: Path,
    scores: Sequence[float] | None = (18.0, 20.0),
    *,
    preset: str = "pong",
    game: str = "pong",
    seed: int = 0,
    frames: int = 2_000_000,
    curve: Sequence[Point] = CURVE,
    commit: str = "abc123",
    ended: bool = True,
    changes: dict[str, Any] | None = None,
) -> Path:
    """Write a run of one game; `scores` are those of its closing evaluation, None if interrupted. `changes` are
    settings by their dotted names."""
    work = workload_of(preset)
    settings: dict[str, Any] = to_dict(work.default(preset))
    for name, value in {"env.id": game, "seed": seed, **(changes or {})}.items():
        *sections, last = name.split(".")
        place = settings
        for section in sections:
            place = place[section]
        place[last] = value
    directory = RunDir(path)
    made = {"made_by": "train", "workload": work.name, "preset": preset, "serial": False}
    directory.create({**made, "settings": settings, "commit": commit})
    with directory.curve_csv.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("seconds", "agent_steps", *COLUMNS))
        writer.writerows([at / 1e5, at // 4, at, at // 100, *games] for at, *games in curve)
    checkpoint = str(path / "checkpoints" / "agent_steps-000000500000")
    judged = None if scores is None else evaluation_of(path, game, scores, "classic")
    summary = {"frames": frames, "agent_steps": frames // 4, "eval": judged, "checkpoint": checkpoint, "seed": seed}
    if ended:
        directory.summary.write_text(json.dumps(summary))
    return path


def write_evaluation(path: Path, scores: Sequence[float], protocol: str, checkpoint: str | None = None) -> Path:
    """Write an evaluation into a run of Pong, as `quarterdeck evaluate --protocol` does, and return its file."""
    result = evaluation_of(path, "pong", scores, protocol)
    if checkpoint is not None:
        result["checkpoint"] = checkpoint
    file = path / f"evaluation-{protocol_name(result['protocol'])}.json"
    file.write_text(json.dumps(result))
    return file


def three_seeds(**options: Any) -> list[str]:
    """Write runs of Pong with the scores 19, 15 and 20, and return their paths."""
    scores = ((18.0, 20.0), (14.0, 16.0), (20.0, 20.0))
    return [str(write_run(Path(f"s{seed}"), scores[seed], seed=seed, **options)) for seed in range(3)]


def rows(out: Path = Path("report")) -> list[dict[str, str]]:
    """Return the rows of scores.csv."""
    with (out / "scores.csv").open() as table:
        return list(csv.DictReader(table))
