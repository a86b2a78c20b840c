"""Trainings of a benchmark: how they begin or go on, and what they have reached, which is nothing until their end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

QUARTERDECK = [sys.executable, "-m", "cluster"]


def going_on(words: Iterable[str], folder: Path, first: Iterable[str]) -> list[str]:
    """The command of a training in `folder`: `words`, and those of its `first` start until it has begun."""
    rest = ["--resume"] if (folder / "run.json").exists() else first
    return [*QUARTERDECK, *words, f"--run-dir={folder}", *rest]


def judged(folder: Path) -> bool:
    """Whether the training in `folder` has come to its end and was judged."""
    file = folder / "summary.json"
    return file.exists() and json.loads(file.read_text()).get("eval") is not None


def summary_of(folder: Path) -> dict[str, Any]:
    """What a training says of itself.

    Raises:
        SystemExit: it was not judged.
    """
    if not judged(folder):
        raise SystemExit(f"{folder} was interrupted: give the same command once more")
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found
