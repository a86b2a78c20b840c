"""The benchmark that sets presets beside each other: what is finished is kept, what is missing is trained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.helpers import TIMEOUT, environment
from tests.test_architecture import ROOT

pytestmark = pytest.mark.timeout(TIMEOUT)


def record(out: Path, *words: str) -> list[dict[str, object]]:
    """Its lines."""
    given = ["--presets", "cartpole", "pqn", "--games", "CartPole-v1", "--seeds", "3", f"--out={out}", *words]
    own = ["--", "--serial", "--network.kind", "mlp", "--evaluation.episodes", "2", "--evaluation.protocol", "training"]
    command = [sys.executable, "-m", "benchmarks.record", *given, *own]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"measured"')]


def test_presets_are_trained_for_equal_steps_and_reported(tmp_path: Path) -> None:
    """A second call trains nothing, one that asks for more goes on with nothing that has ended."""
    lines = record(tmp_path, "--steps=2000")
    assert [(line["preset"], line["seed"]) for line in lines] == [("cartpole", 3), ("pqn", 3)]
    assert all(line["agent_steps"] >= 2000 and line["minutes"] > 0 for line in lines)
    assert (tmp_path / "report" / "report.md").read_text().count("CartPole") >= 2
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/summary.json")}
    assert len(written) == 2
    assert record(tmp_path, "--steps=2000") == lines
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_an_end_is_wanted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.record", "--presets", "pqn", "--games", "pong", f"--out={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "give --steps or --minutes" in done.stderr
