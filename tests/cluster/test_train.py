"""train, evaluate and watch as a person uses them."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import psutil
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import checkpoint
from agents.config import Settings, from_dict
from agents.policy import epsilons
from cluster.cli import main
from tests.cluster.helpers import (
    PATIENCE,
    TINY,
    command,
    environment,
    read_json,
    run_command,
    tree,
    wait_until,
)

FIELDS = {
    "agent_steps",
    "frames",
    "updates",
    "seconds",
    "steps_per_second",
    "samples_per_insert",
    "eval",
    "checkpoint",
    "seed",
    "commit",
    "hardware",
}


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar of a run's TensorBoard: (x, value)."""
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def checked_summary(run: Path, episodes: int) -> dict[str, Any]:
    """The run's record, after a look at all that must lie beside it."""
    summary = read_json(run / "summary.json")
    assert summary.keys() >= FIELDS
    assert summary["eval"].keys() >= {"protocol", "episodes", "mean", "min", "max"}
    assert summary["eval"]["episodes"] == episodes
    assert summary["eval"]["min"] <= summary["eval"]["mean"] <= summary["eval"]["max"]
    assert summary["eval"]["protocol"]["name"] == "training"
    assert summary["hardware"]["cores"] >= 1
    assert len(summary["commit"]) >= 7
    assert summary["seconds"] > 0
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
    """Counters of the newest checkpoint."""
    return dict(checkpoint.load(checkpoint.latest(run / "checkpoints"), only="stats")["stats"])


def test_a_serial_run_leaves_what_it_should(catch_run: Path) -> None:
    summary = checked_summary(catch_run, episodes=6)
    assert 400 <= summary["agent_steps"] < 400 + 2 * 16
    assert summary["frames"] == summary["agent_steps"]
    assert summary["seed"] == 0
    assert summary["samples_per_insert"] == pytest.approx(2.0, rel=0.1)
    assert summary["updates"] * 16 == pytest.approx(2.0 * (summary["agent_steps"] - 100), abs=16)
    record = read_json(catch_run / "run.json")
    assert record["settings"]["world"]["env"] == "toy/catch"
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
    """Resumed without --steps it ends where it was to end, not where the preset would."""
    run = Path(shutil.copytree(catch_run, tmp_path / "run"))
    assert main(["train", "atari", "--run-dir", str(run), "--resume"]) == 0
    assert saved(run) == {**saved(catch_run), "seconds": pytest.approx(saved(run)["seconds"])}


def test_a_run_that_never_saved_begins_anew(catch_run: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(catch_run / "run.json", tmp_path / "run")
    assert main(["train", "atari", "--run-dir", str(tmp_path / "run"), "--resume", "--steps", "120"]) == 0
    assert 120 <= checked_summary(tmp_path / "run", episodes=6)["agent_steps"] < 120 + 2 * 16


def test_watch_records_a_game(catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(catch_run), "--out", str(tmp_path / "game.mp4")]) == 0
    said = capsys.readouterr().out
    assert "a game of 1 points" in said or "a game of -1 points" in said
    assert [file.name for file in tmp_path.iterdir()] == ["game.mp4"]
    with imageio.get_reader(tmp_path / "game.mp4") as video:
        pictures = [np.asarray(picture) for picture in video]
    assert len(pictures) == 12
    assert pictures[0].shape == (84, 84, 3)
    brightest = [picture[:77].max(axis=2).max(axis=1).argmax() for picture in pictures[:11]]
    assert brightest == sorted(brightest)
    assert brightest[-1] > brightest[0] + 60, "the ball falls"


def test_a_table_is_trained_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "taxi"
    arguments = ["train", "taxi", "--steps", "3000", "--report-every", "1000", "--run-dir", str(run)]
    assert main(arguments) == 0
    summary = checked_summary(run, episodes=100)
    assert summary["agent_steps"] >= 3_000
    assert summary["frames"] == summary["agent_steps"]
    assert scalars(run)["acting/epsilon_mean"][-1][0] == summary["agent_steps"]
    capsys.readouterr()
    assert main(["evaluate", str(run), "--episodes", "20", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["episodes"] == 20
    assert result["protocol"]["name"] == "training"
    assert main(["watch", str(run), "--out", str(tmp_path / "a.mp4")]) == 2
    assert "use evaluate" in capsys.readouterr().err


@pytest.mark.parametrize("preset", ["pong", "atari", "cartpole", "taxi"])
def test_dry_run_tells_and_starts_nothing(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", preset, "--dry-run", "--seed", "7", "--run-dir", "run"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"]["seed"] == 7
    assert list(tmp_path.iterdir()) == []
    frame = {"pong": 7_056, "atari": 7_056, "cartpole": 16, "taxi": 0}[preset]
    capacity = told["settings"].get("replay", {"capacity": 0})["capacity"]
    assert told["replay_gib"] == pytest.approx(capacity * (frame + 12) / 2**30, abs=0.001)
    if preset in ("pong", "atari"):
        assert told["replay_gib"] * 2**30 / capacity < 7_300


def test_dry_run_needs_no_memory_for_what_it_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "pong", "--dry-run", "--replay.capacity", "1000000000"]) == 0
    assert json.loads(capsys.readouterr().out)["replay_gib"] > 6_000


def test_help_names_commands_presets_and_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("train PRESET", "evaluate RUN_DIR", "watch RUN_DIR", "pong", "taxi"))
    with pytest.raises(SystemExit) as stopped:
        main(["train", "pong", "--help"])
    assert not stopped.value.code
    assert "--replay.capacity" in capsys.readouterr().out


CARTPOLE = ["cartpole", *(f"--{name}={value}" for name, value in TINY.items()), "--minutes=60"]


@pytest.mark.ray
def test_the_fleet_is_interrupted_and_resumed(tmp_path: Path) -> None:
    """Ctrl-C saves, ends with status 0 and leaves no process; --resume goes on with all counters to the end."""
    run = tmp_path / "run"
    training = subprocess.Popen(
        command("train", *CARTPOLE, "--run-dir", str(run), "--evaluation.every-steps", "500"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    with training:
        wait_until(lambda: training.poll() if training.poll() is not None else learns(run) or None)
        started = psutil.Process(training.pid).children(recursive=True)
        assert len(started) > 3, "Ray's servers and our actors"
        os.killpg(training.pid, signal.SIGINT)  # as a terminal does: to the command and all its children
        said, complaints = training.communicate(timeout=PATIENCE)
    assert training.returncode == 0, complaints
    assert f"saved; go on with: quarterdeck train cartpole --run-dir {run} --resume" in said
    assert "Traceback" not in complaints
    _, alive = psutil.wait_procs(started, timeout=PATIENCE)
    assert alive == []
    interrupted = read_json(run / "summary.json")
    assert interrupted["eval"] is None
    first = saved(run)
    assert first["agent_steps"] == interrupted["agent_steps"] > 100
    assert first["updates"] == interrupted["updates"] > 0

    end = first["agent_steps"] + 300
    done = run_command("train", "cartpole", "--run-dir", str(run), "--resume", "--steps", str(end))
    assert done.returncode == 0, done.stderr
    assert "over 6 games" in done.stdout
    summary = checked_summary(run, episodes=6)
    assert summary["agent_steps"] >= end
    assert summary["updates"] * 16 == pytest.approx(2.0 * (summary["agent_steps"] - 100), abs=16)
    assert summary["samples_per_insert"] == pytest.approx(2.0, rel=0.1)
    assert summary["seconds"] > first["seconds"]
    assert summary["eval"]["protocol"]["world"] == "CartPole-v1"
    shown = scalars(run)
    settings: Settings = from_dict(Settings, read_json(run / "run.json")["settings"])
    clock = epsilons(settings.exploration, settings.fleet.lanes, summary["agent_steps"]).mean()
    assert shown["acting/epsilon_mean"][-1] == (summary["agent_steps"], pytest.approx(clock))
    lags = [value for _, value in shown["acting/policy_lag_in_updates"]]
    # C19: a chunk earns 8 updates, and a lone runner is at most three chunks behind.
    assert 0 <= min(lags) <= max(lags) <= 3 * 8
    assert len(list((run / "checkpoints").iterdir())) <= 2
    assert main(["evaluate", str(run), "--episodes", "4"]) == 0


def learns(run: Path) -> bool:
    """Whether a run has reported updates."""
    table = run / "curve.csv"
    if not table.exists():
        return False
    with table.open() as rows:
        return any(int(row["updates"] or 0) > 0 for row in csv.DictReader(rows))


def test_a_foreign_file_in_the_run_is_kept(catch_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(catch_run, tmp_path / "run"))
    (run / "notes.txt").write_text("mine")
    assert main(["train", "atari", "--run-dir", str(run), "--resume"]) == 0
    assert tree(run)["notes.txt"] == b"mine"
