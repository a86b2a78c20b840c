"""Trainings of a benchmark: how they begin or go on, and what they have reached, which is nothing until their end."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.storage.files import whole

QUARTERDECK = [sys.executable, "-m", "cluster"]


def going_on(words: Iterable[str], folder: Path, first: Iterable[str]) -> list[str]:
    """The command of a training in `folder`: `words`, and those of its `first` start until it has begun."""
    rest = ["--resume"] if (folder / "run.json").exists() else first
    return [*QUARTERDECK, *words, f"--run-dir={folder}", *rest]


def begun_with(out: Path, options: dict[str, Any]) -> None:
    """Note what a benchmark's figures in `out` follow from; what is finished there must not pass for others'.

    Raises:
        SystemExit: they were begun with other options.
    """
    out.mkdir(parents=True, exist_ok=True)
    file, asked = out / "options.json", json.loads(json.dumps(options, default=str))
    before = json.loads(file.read_text()) if file.exists() else {}
    if other := [name for name in asked if before.get(name, asked[name]) != asked[name]]:
        raise SystemExit(f"{out} was begun with other {', '.join(other)}: name another --out")
    if asked.keys() - before.keys():
        with whole(file, shared=True) as part:
            part.write_text(json.dumps({**before, **asked}, indent=2) + "\n")


def with_rest(parser: argparse.ArgumentParser, **given: Any) -> argparse.Namespace:
    """The command line and what is `given` besides; `rest` are the words behind `--`, which every training gets."""
    words = [*sys.argv[1:], "--"]
    cut = words.index("--")
    return parser.parse_args(words[:cut], argparse.Namespace(rest=words[cut + 1 : -1], **given))


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
