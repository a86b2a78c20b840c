"""`quarterdeck train`: the files of a run, its resumption and its interruption."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from agents.acting.exploration import epsilons
from agents.dqn.presets import PRESETS, catch
from agents.dqn.settings import Settings
from cluster.cli.main import main
from tests.cluster.helpers import (
    ENDLESS_CARTPOLE,
    PATIENCE,
    TIMEOUT,
    command,
    environment,
    read_json,
    still_alive,
    tree,
    wait_until,
)
from tests.cluster.records import checked_summary, learns, refused, saved, scalars
from training.settings import changed, from_dict
from training.storage.files import write_json


def test_a_serial_run_leaves_what_it_should(catch_run: Path) -> None:
    summary = checked_summary(catch_run, episodes=6)
    assert 400 <= summary["agent_steps"] < 400 + 2 * 16
    assert summary["frames"] == summary["agent_steps"]
    assert summary["seed"] == 0
    assert summary["samples_per_insert"] == pytest.approx(2.0, rel=0.1)
    assert summary["updates"] * 16 == pytest.approx(2.0 * (summary["agent_steps"] - 100), abs=16)
    record = read_json(catch_run / "run.json")
    assert record["settings"]["env"]["id"] == "toy/catch"
    assert record["settings"]["replay"]["capacity"] == 4_000
    assert record["serial"] is True


def test_tensorboard_counts_agent_steps(catch_run: Path) -> None:
    shown, summary = scalars(catch_run), read_json(catch_run / "summary.json")
    assert shown.keys() >= {
        "acting/epsilon_mean",
        "acting/q_max_mean",
        "learner/loss",
        "learner/q_mean",
        "run/agent_steps_per_second",
        "run/frames",
        "run/samples_per_insert",
        "seconds_per_step/env",
        "seconds_per_step/policy",
        "seconds_per_update/sample",
        "seconds_per_update/update",
        "score_while_training/all_lanes",
        "episode_steps/all_lanes",
    }
    assert {points[-1][0] for points in shown.values()} == {summary["agent_steps"]}
    assert all(math.isfinite(value) for points in shown.values() for _, value in points)
    assert shown["run/learner_updates"][-1][1] == summary["updates"]
    assert shown["episode_steps/all_lanes"][-1][1] == 11


def test_a_serial_run_is_resumed(catch_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(catch_run, tmp_path / "run"))
    before = read_json(run / "summary.json")
    assert main(["train", "atari", "--run-dir", str(run), "--resume", "--steps", "500"]) == 0
    after = checked_summary(run, episodes=6)
    assert 500 <= after["agent_steps"] < 500 + 2 * 16
    assert after["updates"] * 16 == pytest.approx(2.0 * (after["agent_steps"] - 100), abs=16)
    assert after["seconds"] > before["seconds"]
    settings: Settings = from_dict(Settings, read_json(run / "run.json")["settings"])
    clock = epsilons(settings.exploration, settings.fleet.lanes, after["agent_steps"]).mean()
    assert scalars(run)["acting/epsilon_mean"][-1] == (after["agent_steps"], pytest.approx(clock))
    assert saved(run)["agent_steps"] == after["agent_steps"]
    assert saved(run)["seconds"] == pytest.approx(after["seconds"], abs=60)


def test_a_run_keeps_its_own_end(catch_run: Path, tmp_path: Path) -> None:
    """A run resumed without --steps keeps its own end instead of the preset's."""
    run = Path(shutil.copytree(catch_run, tmp_path / "run"))
    assert main(["train", "atari", "--run-dir", str(run), "--resume"]) == 0
    assert saved(run) == {**saved(catch_run), "seconds": pytest.approx(saved(run)["seconds"])}


def test_a_run_stays_one_process_or_a_fleet(
    catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(catch_run, tmp_path / "run"))
    assert main(["train", "atari", "--run-dir", str(run), "--resume", "--serial"]) == 0
    write_json(run / "run.json", {**read_json(run / "run.json"), "serial": False})
    before = tree(run)
    said = refused(capsys, "train", "atari", "--run-dir", str(run), "--resume", "--serial")
    assert said == f"quarterdeck: {run} is trained by a fleet: leave --serial out, or start anew with it"
    assert tree(run) == before


def test_one_process_has_nothing_to_share_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--serial refuses shards, learners and roles given as options, but accepts them from a preset."""
    monkeypatch.chdir(tmp_path)
    shards = ["train", "catch", "--fleet.runners=2", "--fleet.shards=2", "--fleet.learners=1"]
    said = refused(capsys, *shards, "--serial")
    assert "--serial trains in one process: leave --fleet.shards and --fleet.learners alone" in said
    assert "leave --fleet.roles alone" in refused(capsys, "train", "pqn", "--fleet.roles", "--serial")
    assert main([*shards, "--dry-run"]) == 0
    assert main(["train", "catch", "--serial", "--fleet.runners=2", "--dry-run"]) == 0
    monkeypatch.setitem(PRESETS, "catch", lambda: changed(catch(), {"fleet.shards": 1}))
    assert main(["train", "catch", "--serial", "--dry-run"]) == 0
    assert "leave --fleet.shards alone" in refused(capsys, "train", "catch", "--fleet.shards=0", "--serial")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_never_saved_begins_anew(catch_run: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(catch_run / "run.json", tmp_path / "run")
    assert main(["train", "atari", "--run-dir", str(tmp_path / "run"), "--resume", "--steps", "120"]) == 0
    assert 120 <= checked_summary(tmp_path / "run", episodes=6)["agent_steps"] < 120 + 2 * 16


@pytest.mark.ray
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.usefixtures("ray_cluster")
def test_the_fleet_is_interrupted_and_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C saves, ends with status 0 and leaves no process; --resume continues all counters to the end."""
    run = tmp_path / "run"
    training = subprocess.Popen(
        command("train", *ENDLESS_CARTPOLE, "--run-dir", str(run), "--evaluation.every-steps", "500"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    with training:
        wait_until(lambda: training.poll() is not None or learns(run) or None)
        assert training.poll() is None, training.communicate()
        started = psutil.Process(training.pid).children(recursive=True)
        assert len(started) > 3, "Ray's servers and our actors"
        os.killpg(training.pid, signal.SIGINT)  # as a terminal does: sent to the command and all its children
        said, complaints = training.communicate(timeout=PATIENCE)
    assert training.returncode == 0, complaints
    assert f"saved; resume with: quarterdeck train cartpole --run-dir {run} --resume" in said
    assert "Traceback" not in complaints
    alive = still_alive(started)
    assert alive == []
    interrupted = read_json(run / "summary.json")
    assert interrupted["eval"] is None
    first = saved(run)
    assert first["agent_steps"] == interrupted["agent_steps"] > 100
    assert first["updates"] == interrupted["updates"] > 0

    end = first["agent_steps"] + 300
    more = ["--steps", str(end), "--minutes=1e9"]  # counted from the start of the test process
    assert main(["train", "cartpole", "--run-dir", str(run), "--resume", *more]) == 0
    assert "over 6 games" in capsys.readouterr().out
    summary = checked_summary(run, episodes=6)
    assert summary["agent_steps"] >= end
    assert summary["updates"] * 16 == pytest.approx(2.0 * (summary["agent_steps"] - 100), abs=16)
    assert summary["samples_per_insert"] == pytest.approx(2.0, rel=0.1)
    assert summary["seconds"] > first["seconds"]
    assert summary["eval"]["protocol"]["env"] == "CartPole-v1"
    shown = scalars(run)
    settings: Settings = from_dict(Settings, read_json(run / "run.json")["settings"])
    clock = epsilons(settings.exploration, settings.fleet.lanes, summary["agent_steps"]).mean()
    assert shown["acting/epsilon_mean"][-1] == (summary["agent_steps"], pytest.approx(clock))
    lags = [value for _, value in shown["acting/policy_lag_in_updates"]]
    # C19: a chunk allows 8 updates, and a single runner is at most three chunks behind.
    assert 0 <= min(lags) <= max(lags) <= 3 * 8
    assert shown["fleet/runners_alive"][-1][1] == 1
    assert shown["fleet/runner_restarts"][-1][1] == shown["fleet/learner_restarts"][-1][1] == 0
    assert len(list((run / "checkpoints").iterdir())) <= 2
    assert main(["evaluate", str(run), "--episodes", "4"]) == 0


def test_a_foreign_file_in_the_run_is_kept(catch_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(catch_run, tmp_path / "run"))
    (run / "notes.txt").write_text("mine")
    assert main(["train", "atari", "--run-dir", str(run), "--resume"]) == 0
    assert tree(run)["notes.txt"] == b"mine"
