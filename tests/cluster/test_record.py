"""The benchmark that sets presets beside each other: what is finished is kept, what is missing is trained."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.record import command_of, equal, main
from cluster.cli.main import main as quarterdeck
from tests.cluster.helpers import TIMEOUT, command
from tests.test_architecture import ROOT

pytestmark = pytest.mark.timeout(TIMEOUT)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """In this process."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["benchmarks.record", *words])
    main()


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of ours that the benchmark starts are called here: each would load everything anew."""
    start = subprocess.run

    def called(*words: Any, **options: Any) -> Any:
        if words[0][:3] != command():
            return start(*words, **options)  # git, which is asked for the commit
        done = subprocess.CompletedProcess(words[0], quarterdeck(words[0][3:]))
        if options["check"]:
            done.check_returncode()
        return done

    monkeypatch.setattr("benchmarks.record.subprocess.run", called)


@pytest.mark.usefixtures("one_process")
def test_presets_are_trained_for_equal_steps_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A second call trains nothing, one that asks for more goes on with nothing that has ended."""

    def record() -> list[dict[str, Any]]:
        given = ["--presets", "cartpole", "pqn", "--games", "CartPole-v1", "--seeds", "3", f"--out={tmp_path}"]
        own = ["--serial", "--network.kind", "mlp", "--evaluation.episodes", "2", "--evaluation.protocol", "training"]
        run(monkeypatch, *given, "--steps=2000", "--", *own)
        said = capfd.readouterr().out
        return [json.loads(line) for line in said.splitlines() if line.startswith('{"measured"')]

    lines = record()
    assert [(line["preset"], line["seed"]) for line in lines] == [("cartpole", 3), ("pqn", 3)]
    assert all(line["agent_steps"] >= 2000 and line["minutes"] > 0 for line in lines)
    assert (tmp_path / "report" / "report.md").read_text().count("CartPole") >= 2
    assert (tmp_path / "equal.md").read_text().count("| CartPole-v1 |") == 2
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/summary.json")}
    assert len(written) == 2
    assert record() == lines
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_an_end_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--presets", "pqn", "--games", "pong", f"--out={tmp_path}")
    assert ended.value.code == 2
    assert "give --steps or --minutes" in capfd.readouterr().err


def test_a_preset_brings_words_of_its_own(tmp_path: Path) -> None:
    options = argparse.Namespace(steps=900, minutes=None, rest=["--serial"])
    words = command_of(options, "rainbow --network.no-dueling", "pong", 2, tmp_path / "run")
    assert words[3:5] == ["train", "rainbow"]
    assert {"--steps=900", "--env=pong", "--seed=2", "--network.no-dueling", "--serial"} < set(words)


def test_training_games_are_compared_at_equal_steps_and_at_equal_minutes(tmp_path: Path) -> None:
    """Where every run has been; of a run that was resumed from an older checkpoint its last branch counts."""
    tables = {
        "quick": [(0, 0, ""), (100, 60, 1.0), (200, 120, 3.0), (400, 240, 7.0)],
        "slow": [(100, 120, 0.0), (300, 240, 90.0), (200, 360, 1.0), (300, 480, 2.0)],
        "other": [(100, 120, 2.0), (300, 480, 4.0)],
        "late": [(100, 120, ""), (350, 300, 9.0), (600, 480, 9.0)],
    }
    for name, rows in tables.items():
        (tmp_path / name).mkdir()
        given = [(steps, 4 * steps, seconds, score) for steps, seconds, score in rows]
        lines = [",".join(map(str, row)) for row in (("agent_steps", "frames", "seconds", "all_lanes"), *given)]
        (tmp_path / name / "curve.csv").write_text("\n".join(lines) + "\n")
    cells = {("a", "pong"): [tmp_path / "quick"], ("b", "pong"): [tmp_path / "slow", tmp_path / "other"]}
    cells["c", "pong"] = [tmp_path / "late"]
    assert equal(cells).splitlines() == [
        "| game | preset | seeds | at 300 agent steps | at 4.0 minutes |",
        "|---|---|---|---|---|",
        "| pong | a | 1 | 5.00 | 7.00 |",
        "| pong | b | 2 | 3.00 [2.00, 4.00] | 1.58 [0.50, 2.67] |",
        "| pong | c | 1 | - | - |",
    ]
