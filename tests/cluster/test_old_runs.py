"""Runs of an older version (commit 4d136dc) are judged and resumed, or refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cluster.cli.main import main
from tests.cluster.gan_helpers import copy_corners
from tests.cluster.helpers import read_json
from tests.cluster.records import refused
from training.storage.older import in_todays_words, settings_in_todays_words

RUNS = Path(__file__).with_name("old_runs")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the runs where one works."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(RUNS, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_a_deep_q_network() -> None:
    assert main(["evaluate", "cartpole", "--episodes=2"]) == 0
    assert main(["export", "cartpole", "--out=policy"]) == 0
    assert main(["train", "cartpole", "--run-dir=cartpole", "--resume", "--steps=500", "--minutes=1e9"]) == 0
    assert read_json(Path("cartpole/summary.json"))["agent_steps"] >= 500
    assert Path("cartpole/curve.csv").read_text().count("\n") >= 3, "what was there stays"


@pytest.mark.usefixtures("here")
def test_a_table_is_judged_and_cannot_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """It was saved without what training needs."""
    assert main(["evaluate", "taxi", "--episodes=2"]) == 0
    said = refused(capsys, "train", "taxi", "--run-dir=taxi", "--resume", "--steps=900")
    assert "holds no table to train on with: train it anew" in said


def test_a_gan(here: Path, corners: Path) -> None:
    copy_corners(corners, here)
    assert main(["evaluate", "own"]) == 0
    assert main(["train", "own", "--run-dir=own", "--resume", "--images=320"]) == 0
    assert read_json(here / "own" / "summary.json")["images"] == 320


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"preset": "pong", "settings": {"network": {}}}, ("train", "dqn", "pong")),
        ({"preset": "taxi", "settings": {"env": "Taxi-v3"}}, ("train", "table", "taxi")),
        ({"workload": "gan", "preset": "atari", "settings": {}}, ("train", "gan", "frames")),
        ({"workload": "sweep", "preset": "catch", "settings": {}}, ("sweep", "dqn", "catch")),
        ({"workload": "gan-sweep", "preset": "digits", "settings": {}}, ("sweep", "gan", "digits")),
        ({"workload": "ablation", "preset": "lecture", "settings": {}}, ("ablation", "dqn", "lecture")),
        ({"preset": "pong", "settings": {"world": {"env": "pong"}, "network": {}}}, ("train", "dqn", "pong")),
    ],
)
def test_records_are_read_in_todays_words(old: dict[str, Any], new: tuple[str, str, str]) -> None:
    found = in_todays_words(old)
    assert (found["made_by"], found["workload"], found["preset"]) == new
    assert in_todays_words(found) == found


def test_the_section_of_the_environment_was_called_world() -> None:
    old = {"world": {"env": "pong", "sticky": 0.25}, "seed": 3}
    assert settings_in_todays_words(old) == {"env": {"id": "pong", "sticky": 0.25}, "seed": 3}


def test_a_sweep_of_another_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    record = {"workload": "gan-sweep", "preset": "own", "serial": False, "sweep": {}, "settings": {}}
    (run / "run.json").write_text(str(record).replace("'", '"').replace("False", "false"))
    assert "older version's gan-sweep" in refused(capsys, "sweep", "own", "--run-dir", str(run), "--resume")
