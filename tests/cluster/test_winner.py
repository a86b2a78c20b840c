"""The winner of a sweep of GANs is a trial with a checkpoint."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from cluster.gans import GAN
from cluster.tuning.sweep import Sweep
from cluster.tuning.trial_spec import TrialSpec
from cluster.tuning.write import write_results
from gan.space import SEARCH
from gan.standard.presets import PRESETS
from training.storage.csv_table import append_row, rows_of
from training.storage.run_dir import RunDir

METRIC = SEARCH.metric


def written(folder: Path, checkpoints: dict[str, Path | None]) -> dict[str, Any]:
    """Write the results of a sweep with these checkpoints by trial, the best first, and return its summary."""
    columns = ("trial", "round", GAN.clock, "seconds", METRIC.name, "spread", *METRIC.beside, "diverged", "kept")
    for score, trial in enumerate(checkpoints, start=1):
        row = {**dict.fromkeys(columns, 1), "trial": trial, "diverged": 0, METRIC.name: score, "kept": score}
        append_row(folder / "rounds.csv", columns, row)
    results = [
        SimpleNamespace(metrics={"trial_id": trial}, checkpoint=path and SimpleNamespace(path=str(path)))
        for trial, path in checkpoints.items()
    ]
    grid = MagicMock(num_errors=1)
    grid.__iter__.return_value = iter(results)
    settings = PRESETS["digits"]()
    spec = TrialSpec(preset="digits", settings=settings, seeds=(0,), rounds=1, serial=True)
    return write_results(Sweep(settings=settings), {}, spec, RunDir(folder), grid, None)


def test_a_trial_that_failed_before_its_first_checkpoint_does_not_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best trial has a score but no checkpoint, as after a full disk, so the next best one wins."""
    monkeypatch.setattr("cluster.tuning.write._winner", lambda spec, config, path, *_: {"path": path})
    here = tmp_path / "b" / "checkpoint_000000"
    found = written(tmp_path, {"a": None, "b": here, "c": tmp_path})
    assert (found["trial"], found[METRIC.name], found["eval"]) == ("b", 2.0, {"path": here})
    assert "quarterdeck sweep digits: b," in (tmp_path / "best.toml").read_text()
    assert {row["trial"] for row in rows_of(tmp_path / "trials.csv")} == {"a", "b", "c"}


def test_trials_are_shown_with_every_figure_of_their_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """trials.csv has every figure beside the metric, also if there is only one."""
    monkeypatch.setattr("cluster.tuning.write._winner", lambda *_: {})
    monkeypatch.setattr("gan.space.SEARCH", SEARCH._replace(metric=METRIC._replace(beside=("fd_floor",))))
    written(tmp_path, {"a": tmp_path})
    assert [row["fd_floor"] for row in rows_of(tmp_path / "trials.csv")] == ["1"]


def test_a_sweep_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    """A sweep without any checkpoint ends with a one-line error and writes no best.toml."""
    with pytest.raises(ValueError, match="no trial with a score has a checkpoint: go on with --resume"):
        written(tmp_path, {"a": None, "b": None})
    assert not (tmp_path / "best.toml").exists()
