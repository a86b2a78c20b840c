"""Importance of settings, ranking of trials and repair of tables, on rounds with known results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from agents.dqn.presets import catch
from agents.dqn.space import SEARCH
from cluster.tuning.results import draw, importance, trials_of
from cluster.tuning.space import Range
from cluster.tuning.sweep import Sweep
from cluster.tuning.trial_spec import TrialSpec
from cluster.tuning.write import write_results
from training.storage.csv_table import Row, append_row, drop_half_row, rounds_of
from training.storage.run_dir import RunDir

METRIC = SEARCH.metric
TRIALS = 8  # the default of `quarterdeck sweep`
SPACE = {
    "learner.learning_rate": Range("learner.learning_rate", "log", [1e-4, 1e-2]),
    "replay.n_step": Range("replay.n_step", "integer", [1, 8]),
    "learner.batch_size": Range("learner.batch_size", "choice", [32, 64, 128]),
}


def ledger(folder: Path, rows: list[tuple[str, int, float, float]]) -> Path:
    """Write a table of (trial, round, score, rate) and return its path."""
    table = folder / "rounds.csv"
    columns = ("trial", "round", "score", "agent_steps", "learner.learning_rate", "diverged")
    for trial, number, score, rate in rows:
        append_row(table, columns, dict(zip(columns, (trial, number, score, 100 * number, rate, 0), strict=True)))
    return table


@pytest.mark.parametrize("matters", SPACE)
@pytest.mark.parametrize("seed", range(4))
def test_the_one_setting_that_scores_follow_comes_first(matters: str, seed: int) -> None:
    """The setting that scores depend on is the most important, also as a choice of three values in eight trials."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for index in range(TRIALS):
        drawn: dict[str, Any] = {
            "learner.learning_rate": 10 ** rng.uniform(-4, -2),
            "replay.n_step": int(rng.integers(1, 9)),
            "learner.batch_size": (32, 64, 128)[index % 3],
        }
        effect = {
            "learner.learning_rate": 1.5 * np.log10(drawn["learner.learning_rate"]),
            "replay.n_step": drawn["replay.n_step"] / 3,
            "learner.batch_size": float(index % 3),
        }[matters]
        score = effect + 0.1 * rng.normal()
        rows.append({"trial": f"t{index}", "round": "1", "score": str(score), **{k: str(v) for k, v in drawn.items()}})
    found = importance(rows, SPACE, METRIC)
    assert max(found, key=lambda name: found[name]) == matters
    assert found[matters] > 0.4


def test_a_trial_that_diverged_counts_as_the_worst_of_the_others() -> None:
    """Diverged trials give the learning rate importance without hiding that of the other setting."""
    rows: list[Row] = []
    for index in range(16):
        rate, steps = 10 ** (-4 + index / 8), 1 + index % 8
        diverged = rate > 5e-3
        score = METRIC.worst if diverged else 0.1 * steps
        batch = (32, 64, 128)[index % 3]
        drawn = {"learner.learning_rate": rate, "replay.n_step": steps, "learner.batch_size": batch}
        values = {name: str(value) for name, value in drawn.items()}
        rows.append({"trial": f"t{index}", "round": "1", "score": str(score), **values})
    found = importance(rows, SPACE, METRIC)
    assert found["replay.n_step"] > 0.2
    assert found["learner.learning_rate"] > 0.05


def test_the_winner_has_trained_to_the_end(tmp_path: Path) -> None:
    """Trials are ranked by their last round first, then by their score in that round."""
    table = ledger(
        tmp_path,
        [("a", 1, 9.0, 1e-3), ("b", 1, 1.0, 1e-3), ("b", 2, 3.0, 1e-3), ("c", 1, 8.0, 1e-3), ("c", 2, 2.0, 1e-3)],
    )
    assert [row["trial"] for row in trials_of(rounds_of(table), METRIC)] == ["b", "c", "a"]


def test_a_trial_that_diverged_late_is_not_the_winner(tmp_path: Path) -> None:
    """A trial that diverged in its last round ranks below one that was stopped earlier with a score."""
    table = ledger(tmp_path, [("a", 1, 9.0, 1e-3), ("a", 2, METRIC.worst, 1e-3), ("b", 1, 1.0, 1e-3)])
    assert [row["trial"] for row in trials_of(rounds_of(table), METRIC)] == ["b", "a"]


def test_a_sweep_of_which_every_trial_diverged_has_no_winner(tmp_path: Path) -> None:
    """Results are refused if the last round of every trial diverged, despite scores in earlier rounds."""
    columns = ("trial", "round", "seconds", "agent_steps", METRIC.name, "spread", *METRIC.beside, "diverged")
    for number, score in ((1, 9.0), (2, METRIC.worst)):
        row = {**dict.fromkeys(columns, 1), "trial": "a", "round": number, METRIC.name: score}
        append_row(tmp_path / "rounds.csv", columns, row)
    with pytest.raises(ValueError, match="no trial has a score: lower the learning rates"):
        write_results(Sweep(settings=catch()), {}, spec_of_catch(), RunDir(tmp_path), Mock(num_errors=0), None)
    assert not (tmp_path / "best.toml").exists()


def spec_of_catch() -> TrialSpec:
    """Return the specification of trials of three rounds with one seed."""
    return TrialSpec(preset="catch", settings=catch(), seeds=(0,), rounds=3, serial=True)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (
            [ValueError("growth.stages is 3,\nimages have 2 sizes")],
            "ValueError: growth.stages is 3, images have 2 sizes",
        ),
        (["Failure # 1\nTraceback:\n\nKeyError: 'x'\n", ValueError("another")], "KeyError: 'x'"),
        ([], "none has failed either, so go on with --resume"),
    ],
)
def test_a_sweep_without_a_round_says_why(tmp_path: Path, errors: list[Any], said: str) -> None:
    """The error is one line with the cause of the first failed trial, or with --resume if none has failed."""
    options, directory = Sweep(settings=catch()), RunDir(tmp_path)
    with pytest.raises(ValueError, match=f"no trial has finished a round: {re.escape(said)}$"):
        write_results(options, {}, spec_of_catch(), directory, Mock(errors=errors), None)


def test_trials_that_failed_are_counted(tmp_path: Path) -> None:
    """The number of failed trials is in the results, and the best of the others still wins."""
    columns = ("trial", "round", "seconds", "agent_steps", METRIC.name, "spread", *METRIC.beside, "diverged")
    row = {**dict.fromkeys(columns, 1), "trial": "a", "diverged": 0}
    append_row(tmp_path / "rounds.csv", columns, row)
    options, directory = Sweep(settings=catch()), RunDir(tmp_path)
    found = write_results(options, {}, spec_of_catch(), directory, Mock(num_errors=2), None)
    assert (found["failed"], found["trial"]) == (2, "a")
    assert (tmp_path / "best.toml").exists()


def test_a_half_written_row_is_forgotten(tmp_path: Path) -> None:
    table = ledger(tmp_path, [("a", 1, 9.0, 1e-3)])
    with table.open("a") as out:
        out.write("b,1,0.")
    drop_half_row(table)
    append_row(table, ("trial", "round"), {"trial": "c", "round": 1})
    assert [row["trial"] for row in rounds_of(table)] == ["a", "c"]


def test_a_table_without_half_a_row_is_not_written(tmp_path: Path) -> None:
    table = ledger(tmp_path, [("a", 1, 9.0, 1e-3)])
    before, file = table.read_bytes(), table.stat().st_ino
    drop_half_row(table)
    assert (table.read_bytes(), table.stat().st_ino) == (before, file)
    drop_half_row(tmp_path / "none.csv")
    assert not (tmp_path / "none.csv").exists()


def test_a_table_is_repaired_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = ledger(tmp_path, [("a", 1, 9.0, 1e-3)])
    whole = table.read_bytes()
    table.write_bytes(whole + b"b,1,0.")

    def killed(part: Path, file: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.storage.files.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        drop_half_row(table)
    assert table.read_bytes() == whole + b"b,1,0."
    monkeypatch.undo()
    drop_half_row(table)
    assert table.read_bytes() == whole


@pytest.mark.parametrize("left", ["", "trial,rou"])
def test_a_table_that_got_no_head_gets_one(tmp_path: Path, left: str) -> None:
    """A table that is empty or has half a header, as after a full disk, gets a header with its next row."""
    table = tmp_path / "rounds.csv"
    table.write_text(left)
    drop_half_row(table)
    append_row(table, ("trial", "round"), {"trial": "a", "round": 1})
    append_row(table, ("trial", "round"), {"trial": "a", "round": 2})
    assert rounds_of(table) == [{"trial": "a", "round": "1"}, {"trial": "a", "round": "2"}]


def test_what_matters_is_seen(tmp_path: Path) -> None:
    """A setting that scores depend on has most of the importance; three trials give none; the picture is drawn."""
    space = {
        "learner.learning_rate": Range("learner.learning_rate", "log", [1e-4, 1e-2]),
        "replay.n_step": Range("replay.n_step", "integer", [1, 5]),
        "learner.double": Range("learner.double", "choice", [False, True]),
    }
    rows = [
        {
            "trial": f"t{index}",
            "round": "1",
            "agent_steps": "100",
            "diverged": "0",
            "score": str(float(index // 8)),
            "learner.learning_rate": str(1e-4 * 100 ** (index / 31)),
            "replay.n_step": str(1 + index % 5),
            "learner.double": str(index % 3 == 0),
        }
        for index in range(32)
    ]
    found = importance(rows, space, METRIC)
    assert found.keys() == space.keys()
    assert found["learner.learning_rate"] > 0.8
    assert sum(found.values()) == pytest.approx(1.0, abs=0.05)
    assert importance(rows[:3], space, METRIC) == {}
    draw(tmp_path / "sweep.png", rows, space, METRIC, "agent_steps", "a title")
    assert (tmp_path / "sweep.png").stat().st_size > 10_000
