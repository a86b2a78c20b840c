"""The benchmark that compares presets: finished runs are kept, missing ones are trained."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.record import asked, curves_of, equal, main
from benchmarks.trainings import to_end
from cluster.cli.main import main as quarterdeck
from tests.cluster.helpers import TIMEOUT, command
from tests.test_architecture import ROOT

pytestmark = pytest.mark.timeout(TIMEOUT)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Run the benchmark in this process."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["benchmarks.record", *words])
    main()


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the quarterdeck commands that the benchmark starts in this process, to save their imports."""
    start = subprocess.run

    def trains(words: Sequence[str]) -> int:
        return quarterdeck([*words][3:])

    def reports(*words: Any, **options: Any) -> Any:
        if words[0][:3] != command():
            return start(*words, **options)  # git, called for the commit
        assert quarterdeck(words[0][3:]) == 0

    monkeypatch.setattr("benchmarks.trainings.to_end", trains)
    monkeypatch.setattr("benchmarks.record.subprocess.run", reports)


@pytest.mark.usefixtures("one_process")
def test_presets_are_trained_for_equal_steps_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Presets get a report at equal steps; a second call trains nothing, and a run with other settings is refused."""

    def again() -> list[dict[str, Any]]:
        given = ["--presets", "cartpole", "pqn", "--games", "CartPole-v1", "--seeds", "3", f"--out={tmp_path}"]
        own = ["--serial", "--network.kind", "mlp", "--evaluation.episodes", "2", "--evaluation.protocol", "training"]
        run(monkeypatch, *given, "--steps=2000", "--", *own)
        said = capfd.readouterr().out
        return [json.loads(line) for line in said.splitlines() if line.startswith('{"measured"')]

    lines = again()
    assert [(line["preset"], line["seed"]) for line in lines] == [("cartpole", 3), ("pqn", 3)]
    assert all(line["agent_steps"] >= 2000 for line in lines)
    assert all(0 < line["minutes"] <= line["minutes_in_all"] and line["commit"] and line["cpu"] for line in lines)
    assert (tmp_path / "report" / "report.md").read_text().count("CartPole") >= 2
    assert (tmp_path / "equal.md").read_text().count("| CartPole-v1 |") == 2
    assert (tmp_path / "equal.png").exists()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/summary.json")}
    assert len(written) == 2
    assert again() == lines
    assert {path: path.stat().st_mtime_ns for path in written} == written
    record = tmp_path / "cartpole-cartpole-v1-s3" / "run.json"
    record.write_text(record.read_text().replace('"n_step": 3', '"n_step": 2'))
    with pytest.raises(SystemExit, match=r"was trained with other replay\.n_step: move it away"):
        again()


def test_an_end_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--presets", "pqn", "--games", "pong", f"--out={tmp_path}")
    assert ended.value.code == 2
    assert "give --steps or --minutes" in capfd.readouterr().err


def test_a_preset_brings_words_of_its_own() -> None:
    options = argparse.Namespace(steps=900, minutes=None, epsilon=0.05, rest=["--serial"])
    name, ends, words = asked(options, "rainbow --network.no-dueling", "pong", 2)
    assert (name, ends[0]) == ("rainbow", "--steps=900")
    assert {"--env=pong", "--seed=2", "--evaluation.epsilon=0.05", "--network.no-dueling", "--serial"} == set(words)


def test_mistakes_show_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["--games", "pong", "--minutes=1", f"--out={tmp_path / 'out'}", "--presets", "pqn"]
    for preset, said in (
        ("pqn --learner.anneal", "learner.anneal falls to 0 at --steps"),
        ("pong --nonsense", "train pong: .*nonsense"),
    ):
        with pytest.raises(SystemExit, match=said):
            run(monkeypatch, *given, preset)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_waits_until_a_training_has_saved(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    lines = ["import os, pathlib, signal, time", "os.kill(os.getppid(), signal.SIGINT)", "time.sleep(1)"]
    with pytest.raises(KeyboardInterrupt):
        to_end([sys.executable, "-c", "\n".join([*lines, f"pathlib.Path({str(saved)!r}).touch()"])])
    assert saved.exists()


def test_training_games_are_compared_at_equal_steps_and_at_equal_minutes(tmp_path: Path) -> None:
    """Runs are compared where all have data; of a run resumed from an older checkpoint only the last branch counts."""
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
    assert equal(curves_of(cells)).splitlines() == [
        "| game | preset | seeds | at 300 agent steps | at 4.0 minutes | agent steps by then |",
        "|---|---|---|---|---|---|",
        "| pong | a | 1 | 5.00 | 7.00 | 400 |",
        "| pong | b | 2 | 3.00 [2.00, 4.00] | 1.58 [0.50, 2.67] | 158 |",
        "| pong | c | 1 | - | - | - |",
    ]
