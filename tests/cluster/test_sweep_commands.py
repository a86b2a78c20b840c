"""`quarterdeck sweep` in the hands of somebody who gets it wrong, or asks first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.records import refused


def test_what_a_person_gets_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written."""
    run = f"--run-dir={tmp_path / 'run'}"
    assert "use one of pong, atari" in refused(capsys, "sweep")
    assert "unknown preset 'taxy'" in refused(capsys, "sweep", "taxy", run)
    assert "none of learning" in refused(capsys, "sweep", "catch", "--space=nowhere.toml", run)
    assert "leave --minutes" in refused(capsys, "sweep", "catch", "--minutes=5", run)
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
