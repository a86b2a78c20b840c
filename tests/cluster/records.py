"""Readers and checks of a run directory, and of the error line of a failed command."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cluster.cli.main import main
from tests.cluster.helpers import (
    read_json,
)
from training.storage import checkpoint

FIELDS = {
    "agent_steps",
    "frames",
    "updates",
    "seconds",
    "startup_seconds",
    "steps_per_second",
    "samples_per_insert",
    "eval",
    "checkpoint",
    "seed",
    "commit",
    "hardware",
}


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Return all TensorBoard scalars of a run by tag, as (x, value)."""
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def checked_summary(run: Path, episodes: int) -> dict[str, Any]:
    """Check the files of a finished run; return its summary."""
    summary = read_json(run / "summary.json")
    assert summary.keys() >= FIELDS
    assert summary["eval"].keys() >= {"protocol", "episodes", "mean", "min", "max"}
    assert summary["eval"]["episodes"] == episodes
    assert summary["eval"]["min"] <= summary["eval"]["mean"] <= summary["eval"]["max"]
    assert summary["eval"]["protocol"]["name"] == "training"
    assert summary["hardware"]["cores"] >= 1
    assert len(summary["commit"]) >= 7
    assert summary["seconds"] > summary["startup_seconds"] > 0
    assert summary["steps_per_second"] > 0
    assert Path(summary["checkpoint"]).parent == run / "checkpoints"
    assert Path(summary["checkpoint"]).is_dir()
    with Image.open(run / "curve.png") as picture:
        assert min(picture.size) > 300
    with (run / "curve.csv").open() as table:
        steps = [int(row["agent_steps"]) for row in csv.DictReader(table)]
    assert steps == sorted(steps)
    assert steps[-1] == summary["agent_steps"]
    assert not list(run.rglob("*.part*"))
    return summary


def saved(run: Path) -> dict[str, Any]:
    """Return the counters of a run's newest checkpoint."""
    return dict(checkpoint.load(checkpoint.latest(run / "checkpoints"), only="stats")["stats"])


def learns(run: Path) -> bool:
    """Return whether a run has reported updates."""
    table = run / "curve.csv"
    if not table.exists():
        return False
    with table.open() as rows:
        return any(int(row["updates"] or 0) > 0 for row in csv.DictReader(rows))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, begun: bool = False) -> str:
    """Run a command that must fail; return its one-line error, without the first line of a run that had started."""
    capsys.readouterr()
    assert main([*arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("\n")
    lines = said.err.splitlines()
    assert len(lines) == 1 + begun
    assert lines[-1].startswith("quarterdeck: ")
    return lines[-1]
