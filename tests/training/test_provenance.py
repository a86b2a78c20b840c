"""The origin recorded with a result: commit, command and hardware."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from training.storage.provenance import commit_of, hardware, origin


def git(folder: Path, *words: str) -> str:
    """Run Git in a folder and return its output."""
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    return subprocess.run(["git", "-C", str(folder), *me, *words], capture_output=True, text=True, check=True).stdout


def test_the_commit_is_that_of_the_code_and_not_of_a_repository_around_it(tmp_path: Path) -> None:
    """Code of an environment that lies untracked inside another repository gets none of that repository's commits."""
    own, installed = tmp_path / "own", tmp_path / ".venv" / "training"
    for folder in (own, installed):
        folder.mkdir(parents=True)
        (folder / "code.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "own")
    git(tmp_path, "commit", "-q", "-m", "mine")
    commit = git(tmp_path, "rev-parse", "--short=12", "HEAD").strip()
    assert commit_of(own) == commit
    (own / "code.py").write_text("changed = True")
    assert commit_of(own) == f"{commit}-dirty"
    assert commit_of(installed).startswith(("version ", "unknown"))


def test_the_command_can_be_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["train", "pong", "--run-dir", "a run"]
    monkeypatch.setattr("sys.argv", ["/usr/bin/quarterdeck", *words])
    assert shlex.split(origin()["command"]) == ["quarterdeck", *words]


def test_a_gpu_whose_driver_is_too_old_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a GPU is counted but CUDA is not available, no GPU is listed."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert hardware()["gpus"] == []
