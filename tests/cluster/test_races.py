"""A race that is interrupted at its end goes on from its last checkpoint; its files are whole or absent."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import races


class FakeRun:
    """Trains by counting, and keeps no checkpoint."""

    def __init__(self) -> None:
        self.images, self.seconds, self.trainer = 0, 0.0, SimpleNamespace(average=None)

    def train(self, images: int) -> None:
        self.images = images

    def judge(self) -> Any:
        return SimpleNamespace(beside={"fd_clf": float(self.images)})

    def save(self, folder: Path) -> None:
        assert (folder.parent / "rows.json").exists()


def race(folder: Path, draw: races.Draw) -> list[dict[str, float]]:
    settings: Any = SimpleNamespace(training=SimpleNamespace(images=50))
    return races.raced(settings, folder, 20, ["fd_clf"], {"samples.png": draw})


def test_pictures_that_were_interrupted_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FakeRun] = []

    def make_run(*_: Any) -> FakeRun:
        made.append(FakeRun())
        return made[-1]

    def interrupted(_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(races, "make_run", make_run)
    with pytest.raises(KeyboardInterrupt):
        race(tmp_path, interrupted)
    rows = race(tmp_path, lambda _: np.zeros((4, 4, 3), np.uint8))
    assert [row["images"] for row in rows] == [20, 40, 50]
    assert (tmp_path / "samples.png").exists()
    assert race(tmp_path, interrupted) == rows
    assert len(made) == 2, "what is finished is read"


def test_a_table_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill while it is replaced leaves the last one."""
    monkeypatch.setattr(races, "make_run", lambda *_: FakeRun())
    (tmp_path / "rows.json").write_text("[]")

    def killed(part: Path, file: Path) -> None:
        assert part.name == "rows.part.json"
        raise KeyboardInterrupt

    monkeypatch.setattr("training.storage.files.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        race(tmp_path, lambda _: None)
    assert (tmp_path / "rows.json").read_text() == "[]"
