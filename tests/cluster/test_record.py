"""The benchmark that sets presets beside each other: what is finished is kept, what is missing is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.record import main
from tests.cluster.helpers import TIMEOUT
from tests.test_architecture import ROOT

pytestmark = pytest.mark.timeout(TIMEOUT)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """In this process; its trainings have processes of their own."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["benchmarks.record", *words])
    main()


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
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/summary.json")}
    assert len(written) == 2
    assert record() == lines
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_an_end_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--presets", "pqn", "--games", "pong", f"--out={tmp_path}")
    assert ended.value.code == 2
    assert "give --steps or --minutes" in capfd.readouterr().err
