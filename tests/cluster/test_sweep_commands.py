"""`quarterdeck sweep` in the hands of somebody who gets it wrong, or asks first."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.dqn.presets import catch
from cluster.tuning.plan import least_cores, require_comparable
from cluster.tuning.sweep import Sweep
from cluster.workload import ENDLESS
from cluster.workloads import DQN
from tests.cluster.records import refused
from training.settings import changed


def test_what_a_person_gets_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written."""
    run = f"--run-dir={tmp_path / 'run'}"
    assert "use one of pong, quarterdeck, atari" in refused(capsys, "sweep")
    assert "unknown preset 'taxy'" in refused(capsys, "sweep", "taxy", run)
    assert "none of learning" in refused(capsys, "sweep", "catch", "--space=nowhere.toml", run)
    assert "leave --minutes, --score out" in refused(capsys, "sweep", "catch", "--minutes=5", run)
    assert "--scheduler" in refused(capsys, "sweep", "catch", "--scheduler=hyper", run)
    assert "pbt cannot change replay.n_step" in refused(
        capsys, "sweep", "catch", "--space=replay", "--scheduler=pbt", run
    )
    assert "holds no run" in refused(capsys, "sweep", "catch", run, "--resume")
    assert "cannot read" in refused(capsys, "train", "catch", "--settings=nowhere.toml", run)
    (tmp_path / "wrong.toml").write_text('"learner.lr" = 1e-3')
    assert "no setting is called" in refused(capsys, "train", "catch", f"--settings={tmp_path / 'wrong.toml'}", run)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    assert "is not an empty directory" in refused(capsys, "sweep", "catch", run)
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_a_sweep_ends_by_steps() -> None:
    with pytest.raises(ValueError, match="leave --minutes"):
        require_comparable(Sweep(settings=catch()), DQN)


def test_a_fleet_with_something_to_share_out_is_no_serial_loop() -> None:
    settings = changed(catch(), {"stop.minutes": ENDLESS, "fleet.runners": 2})
    assert least_cores(Sweep(settings=settings), DQN, "catch") == 3
    with pytest.raises(ValueError, match="--serial True trains in one process"):
        require_comparable(Sweep(settings=settings, serial=True), DQN)
