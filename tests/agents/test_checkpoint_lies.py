"""Checkpoints with right checksums and false contents, values that look like array references, and full disks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import pytest

from tests.agents.test_checkpoint_damage import resealed
from tests.trees import STATE, assert_same
from training.storage import checkpoint
from training.storage.checkpoint import CheckpointError, load, save


def framed(header: dict[str, Any], body: bytes, length: int | None = None) -> bytes:
    """Return an array file with the given header and body."""
    head = json.dumps(header).encode()
    return lz4.frame.compress((length or len(head)).to_bytes(8, "little") + head + body)


@pytest.mark.parametrize(
    "content",
    [
        framed({"dtype": "|u1", "shape": [50, 40]}, b"x" * 1999),
        framed({"dtype": "|u1", "shape": [50, 40]}, b""),
        framed({"dtype": "|u1", "shape": [50, 40]}, b"x" * 2001),
        framed({"dtype": "|u1", "shape": [1 << 50]}, b"x" * 2000),
        framed({"dtype": "<f8", "shape": [1 << 20, 1 << 20, 1 << 10]}, b"x" * 2000),
        framed({"dtype": "|u1", "shape": [-5]}, b""),
        framed({"dtype": "|u1", "shape": [50, 40]}, b"x" * 2000, length=1 << 60),
        framed({"dtype": "|u1", "shape": [50, 40]}, b"x" * 2000)[:-20],
        b"",
    ],
    ids=["short", "empty", "long", "pebibyte", "exabyte", "negative", "header", "torn", "nothing"],
)
def test_a_large_array_that_is_not_what_it_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """An array file whose header does not match its data is refused."""
    monkeypatch.setattr(checkpoint, "LARGE", 1000)
    save(tmp_path / "one", STATE)
    (tmp_path / "one" / "0.lz4").write_bytes(content)
    resealed(tmp_path / "one")
    with pytest.raises(CheckpointError, match="no readable checkpoint"):
        load(tmp_path / "one")


def test_arrays_that_compress_best_are_no_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "LARGE", 1000)
    state = {"zeros": np.zeros((3000, 1000)), "none": np.zeros((0, 5)), "one": np.array(3, np.uint8)}
    save(tmp_path / "one", state)
    assert (tmp_path / "one" / "0.lz4").stat().st_size * 200 < state["zeros"].nbytes
    assert_same(load(tmp_path / "one"), state)


@pytest.mark.parametrize(
    "value",
    [
        {"array": 3},
        {"array": None},
        {"array": "w"},
        {"array": "mine"},
        {"array": "mine/array"},
        {"array": {"array": np.arange(3)}},
        {"array": np.arange(3)},
    ],
)
def test_a_value_that_looks_like_an_array_of_ours_comes_back(tmp_path: Path, value: Any) -> None:
    state = {"mine": value, "w": np.ones(2)}
    save(tmp_path / "one", state)
    assert_same(load(tmp_path / "one"), state)


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leave '/' out of the names"):
        save(tmp_path / "one", {"a/b": np.zeros(2), "a": {"b": np.ones(2)}})


def test_everything_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is synced, then its directory, then it is renamed, and then the parent directory is synced."""
    happened: list[str] = []
    sync, rename = os.fsync, Path.rename

    def synced(handle: int) -> None:
        happened.append(f"sync {Path(os.readlink(f'/proc/self/fd/{handle}')).name}")
        sync(handle)

    def renamed(path: Path, target: Path) -> Path:
        happened.append(f"rename {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    save(tmp_path / "one", {"w": np.ones(2)})
    files = ["sync arrays.safetensors", "sync state.json"]
    assert happened == [*files, "sync one.part", "rename one", f"sync {tmp_path.name}"]


@pytest.mark.parametrize("writer", ["training.storage.checkpoint.write_array", "training.storage.checkpoint.sync"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str) -> None:
    """An error of the disk while writing or syncing is raised, and earlier checkpoints stay."""
    monkeypatch.setattr(checkpoint, "LARGE", 1000)
    checkpoint.save_next(tmp_path, 1, STATE)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, full)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.save_next(tmp_path, 2, STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["agent_steps-000000000001"]
    assert_same(load(checkpoint.latest(tmp_path)), STATE)
