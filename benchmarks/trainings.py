"""Start, resume and read the trainings of a benchmark."""

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
    """Return the command of a training in `folder`: `words`, then options `first` to start it, or `--resume`."""
    rest = ["--resume"] if (folder / "run.json").exists() else first
    return [*QUARTERDECK, *words, f"--run-dir={folder}", *rest]


def to_end(words: Sequence[str]) -> int:
    """Run a training to its end; return its exit status. On Ctrl-C, which it also receives, wait until it has saved."""
    with subprocess.Popen(words) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise


def train(words: Iterable[str], folder: Path, first: Iterable[str]) -> None:
    """Start or resume a training in `folder` with the command of `going_on`, and run it to its end.

    Raises:
        SystemExit: it failed; its error is printed above.
    """
    if status := to_end(going_on(words, folder, first)):
        raise SystemExit(f"{folder} has ended with status {status}: see above, then start again")


def settings_for(preset: str, words: Iterable[str]) -> Any:
    """Return the settings of `train PRESET` with these options.

    Raises:
        SystemExit: they are invalid.
    """
    try:
        work = workload_of(preset)
        return parsed(work, preset, [*words], work.default(preset)).settings
    except ValueError as error:
        raise SystemExit(f"train {preset}: {error}") from None


def require_same(folder: Path, settings: Any) -> None:
    """Check that a training in `folder`, if any, has these settings, since a preset may have changed.

    Raises:
        SystemExit: it has others, or they cannot be read.
    """
    if (folder / "run.json").exists():
        try:
            asked, before = flat(settings), flat(settings_of_run(RunDir(folder).record()))
        except ValueError as error:
            raise SystemExit(f"{folder}: {error}") from None
        if other := sorted(name for name in asked.keys() | before.keys() if asked.get(name) != before.get(name)):
            raise SystemExit(f"{folder} was trained with other {', '.join(other)}: move it away, or name another --out")


def begun_with(out: Path, options: dict[str, Any]) -> None:
    """Record the options of a benchmark in `out`, so that finished results are not reused with others.

    Raises:
        SystemExit: it was started with other options.
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
    """Parse the command line, with `given` added; `rest` are the options after `--`, for every training."""
    words = [*sys.argv[1:], "--"]
    cut = words.index("--")
    return parser.parse_args(words[:cut], argparse.Namespace(rest=words[cut + 1 : -1], **given))


def judged(folder: Path) -> bool:
    """Return whether the training in `folder` is finished and evaluated."""
    file = folder / "summary.json"
    return file.exists() and json.loads(file.read_text()).get("eval") is not None


def summary_of(folder: Path) -> dict[str, Any]:
    """Return the summary of a finished training.

    Raises:
        SystemExit: it is not finished and evaluated.
    """
    if not judged(folder):
        raise SystemExit(f"{folder} was interrupted: give the same command once more")
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found
