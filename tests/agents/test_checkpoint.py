"""Checkpoints on an intact disk: loading returns the saved state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.trees import STATE, assert_same
from training.storage import checkpoint
from training.storage.checkpoint import CheckpointError, latest, load, save, save_next


@pytest.fixture(autouse=True)
def small_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give arrays from 1 kB a file of their own."""
    monkeypatch.setattr(checkpoint, "LARGE", 1000)


def test_everything_comes_back_with_its_type_and_shape(tmp_path: Path) -> None:
    save(tmp_path / "one", STATE)
    assert_same(load(tmp_path / "one"), STATE)
    assert {file.name for file in (tmp_path / "one").iterdir()} == {"state.json", "arrays.safetensors", "0.lz4"}
    assert type(load(tmp_path / "one")["settings"]["big"]) is int


def test_numpy_numbers_become_plain_ones(tmp_path: Path) -> None:
    save(tmp_path / "one", {"count": np.int64(3), "mean": np.float32(0.5), "yes": np.bool_(True)})
    assert_same(load(tmp_path / "one"), {"count": 3, "mean": 0.5, "yes": True})


def test_one_branch_is_read_without_the_large_files_of_the_others(tmp_path: Path) -> None:
    save(tmp_path / "one", STATE)
    (tmp_path / "one" / "0.lz4").unlink()
    assert_same(load(tmp_path / "one", only="learner"), {"learner": STATE["learner"]})
    with pytest.raises(CheckpointError):
        load(tmp_path / "one")
    with pytest.raises(CheckpointError, match="no readable checkpoint"):
        load(tmp_path / "one", only="absent")


def test_the_newest_two_are_kept_and_unfinished_ones_are_not_taken(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train first, or name another run"):
        latest(tmp_path)
    for steps in (90, 100, 2000, 10_000):
        save_next(tmp_path, steps, {"steps": steps})
    (tmp_path / "agent_steps-000000999999.part").mkdir()
    assert load(latest(tmp_path))["steps"] == 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "agent_steps-000000002000",
        "agent_steps-000000010000",
        "agent_steps-000000999999.part",
    ]


def test_saving_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    save_next(tmp_path, 5, {"try": 1})
    save_next(tmp_path, 5, {"try": 2})
    assert load(latest(tmp_path)) == {"try": 2}
