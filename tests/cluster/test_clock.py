"""Runs whose step count goes back, SIGINT during the closing evaluation, and the reported cost of checkpoints."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import time
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.dqn.serial import SerialLoop
from agents.report.runs import read_run
from cluster.cli.main import main
from cluster.workloads import settings_of_run
from tests.cluster.gan_helpers import TINY_GAN, copy_corners
from tests.cluster.helpers import TINY_CATCH, read_json
from tests.cluster.records import checked_summary, scalars
from tests.cluster.written_runs import write_run
from training.session import Session
from training.storage import checkpoint


class LosesItsLearner(SerialLoop):
    """Returns once from 250 agent steps to its checkpoint at 100, like a fleet that has lost a learner."""

    lost: list[int]  # agent steps before and after the loss
    folder: Path

    def step(self) -> None:
        if self.stats.agent_steps >= 250 and not self.lost:
            before = self.stats.agent_steps
            self.load(self.kept)
            self.lost.extend((before, self.stats.agent_steps))
            return
        super().step()
        if self.stats.agent_steps >= 100 and not hasattr(self, "kept"):
            self.kept = self.save(self.folder)


@pytest.fixture
def lossy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make `train --serial` lose a learner and report every step; return the agent steps before and after the loss."""
    lost: list[int] = []
    monkeypatch.setattr(LosesItsLearner, "lost", lost, raising=False)
    monkeypatch.setattr(LosesItsLearner, "folder", tmp_path / "kept", raising=False)
    monkeypatch.setattr("agents.dqn.run.SerialLoop", LosesItsLearner)
    monkeypatch.setattr("training.session.REPORT_SECONDS", 0.0)
    return lost


def test_what_was_reported_of_a_lost_branch_is_dropped(
    lossy: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, sessions = tmp_path / "run", []

    class Seen(Session):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            sessions.append(self)

    monkeypatch.setattr("cluster.cli.train.Session", Seen)
    assert main(["train", "atari", *TINY_CATCH, "--serial", "--steps", "400", "--run-dir", str(run)]) == 0
    assert lossy, "nothing was lost"
    summary = checked_summary(run, episodes=6)
    with (run / "curve.csv").open() as table:
        rows = list(csv.DictReader(table))
    steps, seconds = ([float(row[name]) for row in rows] for name in ("agent_steps", "seconds"))
    assert steps == sorted(steps)
    assert max(steps) == summary["agent_steps"]
    assert seconds == sorted(seconds), "the clock on the wall does not go back"
    shown = scalars(run)
    for tag, points in shown.items():
        at = [step for step, _ in points]
        assert at == sorted(at), tag
    assert all(value >= 0 for tag in ("throughput/run", "run/agent_steps_per_second") for _, value in shown[tag])
    (session,) = sessions
    trained = summary["agent_steps"] + lossy[0] - lossy[1]
    assert session.run.clock.now - session.first == trained, "the rate counts what was lost, too"


NETWORK = ["atari", *TINY_CATCH, "--serial", "--learner.precision=fp32", "--steps=700", "--minutes=1e9"]
TABLE = ["frozenlake", "--steps=750", "--report-every=250"]


@pytest.mark.parametrize(
    ("words", "every", "steps", "learned"),
    [
        (NETWORK, "agents.dqn.run.LANE_STEPS", 100, lambda state: state["learner"]["online"]),
        (TABLE, "agents.tabular.run.SAVED_EVERY", 500, lambda state: {"tables": state["tables"]}),
    ],
    ids=["network", "table"],
)
def test_a_slow_computer_trains_the_same(
    words: list[str], every: str, steps: int, learned: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A serial run saves by agent steps, not by time, so weights do not depend on speed (saving ends episodes)."""
    monkeypatch.setattr(every, steps)
    saved = []
    for hours in (0.0, 1.0):
        now = count(step=60.0 * 60.0 * hours)
        monkeypatch.setattr("training.session.time", SimpleNamespace(monotonic=partial(next, now)))
        run = tmp_path / f"{hours}"
        assert main(["train", *words, "--run-dir", str(run)]) == 0
        saved.append(learned(checkpoint.load(checkpoint.latest(run / "checkpoints"))))
    assert saved[0].keys() == saved[1].keys()
    assert all(np.array_equal(saved[0][name], saved[1][name]) for name in saved[0])


def test_a_report_does_not_interpolate_over_a_lost_branch(tmp_path: Path) -> None:
    """Tables of older versions hold a lost branch; the curve of a run contains only the branch that was kept."""
    back = [(100, 1.0), (200, 2.0), (300, 3.0), (150, 10.0), (250, 20.0), (350, 30.0)]
    run = write_run(tmp_path / "run", curve=[(frames, score, None, None) for frames, score in back])
    curve = read_run(run, settings_of_run).curves["all_lanes"]
    assert curve.tolist() == [[100, 1], [150, 10], [250, 20], [350, 30]]
    assert np.interp(275, curve[:, 0], curve[:, 1]) == pytest.approx(22.5)


def interrupting(times: int) -> Any:
    """Return the real evaluation with `times` SIGINT signals to this process at each step."""
    from agents.evaluation.judged import evaluate_policy

    def evaluate(*arguments: Any, on_step: Any, **options: Any) -> Any:
        def pressed(done: int) -> None:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
            on_step(done)

        return evaluate_policy(*arguments, on_step=pressed, **options)

    return evaluate


@pytest.fixture
def run(catch_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished run without its summary."""
    run = Path(shutil.copytree(catch_run, tmp_path / "run"))
    (run / "summary.json").unlink()
    return run


def test_ctrl_c_in_the_closing_evaluation_leaves_a_summary(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr("agents.evaluation.judged.evaluate_policy", interrupting(1))
        assert main(["train", "atari", "--run-dir", str(run), "--resume"]) == 0
    assert f"not evaluated: quarterdeck evaluate {run} does that" in capsys.readouterr().out
    summary = read_json(run / "summary.json")
    assert summary["eval"] is None
    assert Path(summary["checkpoint"]).is_dir()
    assert signal.getsignal(signal.SIGINT) is before
    assert main(["evaluate", str(run), "--episodes", "2"]) == 0


def test_a_second_ctrl_c_ends_it_for_good(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.evaluation.judged.evaluate_policy", interrupting(2))
    before = signal.getsignal(signal.SIGINT)
    assert main(["train", "atari", "--run-dir", str(run), "--resume"]) == 130
    assert not (run / "summary.json").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_in_the_closing_scores_of_a_gan_waits_for_them(
    corners: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gan.best import report

    def pressed(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return report(*arguments)

    monkeypatch.setattr("gan.run.report", pressed)
    run, data = tmp_path / "run", copy_corners(corners, tmp_path)
    assert main(["train", "own", f"--data={data}", *TINY_GAN, "--images", "160", "--run-dir", str(run)]) == 0
    assert read_json(run / "summary.json")["eval"]["fd_clf"] > 0


def test_what_a_checkpoint_costs_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds of writing a checkpoint, without learning, are reported as run/checkpoint_seconds."""
    took, save = [], SerialLoop.save

    def timed(self: SerialLoop, folder: Path, *arguments: Any) -> Path:
        began = time.monotonic()
        path = save(self, folder, *arguments)
        took.append(time.monotonic() - began)
        return path

    monkeypatch.setattr(SerialLoop, "save", timed)
    arguments = [*TINY_CATCH, "--serial", "--steps", "60", "--run-dir", str(tmp_path / "run")]
    assert main(["train", "atari", *arguments]) == 0
    ((at, seconds),) = scalars(tmp_path / "run")["run/checkpoint_seconds"]
    assert at == read_json(tmp_path / "run" / "summary.json")["agent_steps"]
    assert np.float32(seconds) >= np.float32(took[0]) > 0
