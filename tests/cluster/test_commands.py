"""The commands watch and evaluate, dry runs, memory checks and help texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import pytest
from numpy.typing import NDArray

from agents.dqn.presets import catch
from cluster.cli.main import main
from tests.cluster.records import checked_summary, refused, scalars
from training.settings import changed, to_dict
from training.storage.files import write_json


def pictures_of(file: Path) -> list[NDArray[np.uint8]]:
    """Return the frames of a video."""
    with imageio.get_reader(file) as video:
        return [np.asarray(picture) for picture in video]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the reader's pipes
def test_watch_records_a_game(catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(catch_run), "--out", str(tmp_path / "game.mp4")]) == 0
    said = capsys.readouterr().out
    assert "a game of 1 points" in said or "a game of -1 points" in said
    assert [file.name for file in tmp_path.iterdir()] == ["game.mp4"]
    pictures = pictures_of(tmp_path / "game.mp4")
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
    said = refused(capsys, "evaluate", str(run), "--protocol", "machado")
    assert said == f"quarterdeck: {run} is judged without --protocol, a run of table: leave that out"
    assert main(["watch", str(run), "--out", str(tmp_path / "a.mp4")]) == 2
    assert "this is one of taxi" in capsys.readouterr().err


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


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize(
    ("address", "fleet", "here"),
    [
        ("10.0.0.1:6379", ["--fleet.runners=2", "--fleet.shards=2"], False),
        ("10.0.0.1:6379", ["--fleet.learners=1"], False),
        ("10.0.0.1:6379", ["--fleet.runners=2"], True),
        (None, ["--fleet.runners=2", "--fleet.shards=2"], True),
    ],
)
def test_replay_on_the_nodes_of_a_cluster_takes_no_memory_here(
    command: str,
    address: str | None,
    fleet: list[str],
    here: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Replay in shards or learners of a cluster is not checked against this machine's memory; any other replay is."""

    def begins(*_: Any) -> None:
        raise ValueError("it begins")

    monkeypatch.setenv("RAY_ADDRESS", address) if address else monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.cli.train._run", begins)
    monkeypatch.setattr("cluster.cli.sweep._search", begins)
    said = refused(capsys, command, "catch", *fleet, "--replay.capacity=9000000000", f"--run-dir={tmp_path / 'run'}")
    assert ("GiB are free: lower --replay.capacity" if here else "it begins") in said


@pytest.mark.parametrize("serial", [True, False])
def test_a_resumed_run_takes_memory_as_it_was_begun(
    serial: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A resumed serial run stays in this process without --serial, so its replay is checked against this memory."""

    def begins(*_: Any) -> None:
        raise ValueError("it begins")

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr("cluster.cli.train._run", begins)
    large = {"fleet.runners": 2, "fleet.shards": 2, "replay.capacity": 9_000_000_000}
    record = {"made_by": "train", "workload": "dqn", "preset": "catch", "serial": serial}
    write_json(tmp_path / "run.json", {**record, "settings": to_dict(changed(catch(), large))})
    said = refused(capsys, "train", "catch", f"--run-dir={tmp_path}", "--resume")
    assert ("GiB are free: lower --replay.capacity" if serial else "it begins") in said


def test_help_names_commands_presets_and_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    commands = ("train PRESET", "evaluate RUN_DIR", "watch RUN_DIR", "submit", "jobs", "logs JOB", "stop JOB")
    commands += ("play RUN_DIR", "board [RUNS]", "export RUN_DIR")
    assert all(word in said for word in (*commands, "pong", "taxi"))
    with pytest.raises(SystemExit) as stopped:
        main(["train", "pong", "--help"])
    assert not stopped.value.code
    assert "--replay.capacity" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["watch", "play", "board", "export"])
def test_help_explains_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert not stopped.value.code
    assert f"quarterdeck {command} runs" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_a_command_in_a_folder_that_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a deleted working directory, commands print help or their usual one-line errors."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main([]) == 0
    assert "train PRESET" in capsys.readouterr().out
    assert "holds no run" in refused(capsys, "evaluate", str(tmp_path))
    assert "No such file or directory" in refused(capsys, "train", "taxi", "--run-dir=run", "--steps=200")
