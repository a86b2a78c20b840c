"""Trainings of a benchmark: how they begin or go on, and what they have reached, which is nothing until their end."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cluster.cli.train import parsed
from cluster.workloads import settings_of_run, workload_of
from training.settings import flat
from training.storage.files import whole
from training.storage.run_dir import RunDir

QUARTERDECK = [sys.executable, "-m", "cluster"]


def going_on(words: Iterable[str], folder: Path, first: Iterable[str]) -> list[str]:
    """The command of a training in `folder`: `words`, and those of its `first` start until it has begun."""
    rest = ["--resume"] if (folder / "run.json").exists() else first
    return [*QUARTERDECK, *words, f"--run-dir={folder}", *rest]


def to_end(words: Sequence[str]) -> int:
    """Run a training to its end -> its exit status. Ctrl-C reaches it, too, and waits until it has saved."""
    with subprocess.Popen(words) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise


def train(words: Iterable[str], folder: Path, first: Iterable[str]) -> None:
    """Begin a training in `folder`, as `going_on` has it, or go on with it, to its end.

    Raises:
        SystemExit: it has failed; what it says stands above.
    """
    if status := to_end(going_on(words, folder, first)):
        raise SystemExit(f"{folder} has ended with status {status}: see above, then start again")


def settings_for(preset: str, words: Iterable[str]) -> Any:
    """The settings that `train PRESET` makes of these words.

    Raises:
        SystemExit: it would refuse them.
    """
    try:
        work = workload_of(preset)
        return parsed(work, preset, [*words], work.default(preset)).settings
    except ValueError as error:
        raise SystemExit(f"train {preset}: {error}") from None


def require_same(folder: Path, settings: Any) -> None:
    """What was trained in `folder`, if anything was, had these settings: a preset may have changed since.

    Raises:
        SystemExit: it had others.
    """
    if (folder / "run.json").exists():
        try:
            asked, before = flat(settings), flat(settings_of_run(RunDir(folder).record()))
        except ValueError as error:
            raise SystemExit(f"{folder}: {error}") from None
        if other := sorted(name for name in asked.keys() | before.keys() if asked.get(name) != before.get(name)):
            raise SystemExit(f"{folder} was trained with other {', '.join(other)}: move it away, or name another --out")


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
