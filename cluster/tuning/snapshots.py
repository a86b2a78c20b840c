"""Backups of Tune's state, which Tune overwrites in place and may leave incomplete when it is killed."""

from __future__ import annotations

import json
import pickletools
import zipfile
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from training.storage.files import whole

STATES = "*state-*"  # of the experiment and of the search algorithm


def is_whole(content: bytes) -> bool:
    """Return whether a state file (JSON or pickle) is complete, without executing it."""
    try:
        if content.startswith(b"{"):
            json.loads(content)
        else:
            for _ in pickletools.genops(content):
                pass
    except (ValueError, IndexError):
        return False
    return True


def contents(storage: Path) -> dict[str, bytes]:
    """Return the state files under `storage`, complete or not."""
    return {file.name: file.read_bytes() for file in storage.glob(STATES)}


def kept_file(storage: Path) -> Path:
    """Return the path of the backup."""
    return storage.with_name(f"{storage.name}-state.zip")


class Snapshots(tune.Callback):
    """Backs up the newest complete state of the experiment under `storage`."""

    def __init__(self, storage: Path) -> None:
        self.storage = storage
        self.kept: dict[str, bytes] = {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Back up a changed state; called by Tune in the driver, several times a second."""
        found = contents(self.storage)
        if found == self.kept or not found or not all(map(is_whole, found.values())):
            return
        with whole(kept_file(self.storage)) as part, zipfile.ZipFile(part, "w") as out:
            for name, content in found.items():
                out.writestr(name, content)
        self.kept = found


def repair(storage: Path) -> bool:
    """Restore an incomplete state under `storage` from the backup; return whether there is a state to resume."""
    found = contents(storage)
    if not all(map(is_whole, found.values())):
        for name in found:
            (storage / name).unlink()
        if kept_file(storage).exists():
            with zipfile.ZipFile(kept_file(storage)) as kept:
                kept.extractall(storage)
    forget_older(storage)
    return bool(list(storage.glob("experiment_state-*")))


def forget_older(folder: Path) -> None:
    """Delete all but the newest state of the experiment and of its search algorithm.

    Tune resumes from the last by name, and names are local start times of sessions, which need not be in order after a
    change of time zone or daylight saving time.
    """
    states = list(folder.glob("experiment_state-*.json"))
    if len(states) < 2:
        return
    began = {_session(file): _began(file) for file in states}
    newest: dict[str, Path] = {}
    for file in sorted(folder.glob(STATES), key=lambda file: began.get(_session(file), 0.0)):
        kind = file.name.partition("state-")[0]
        if kind in newest:
            newest[kind].unlink()
        newest[kind] = file


def statuses(folder: Path) -> dict[str, str]:
    """Return the status of every trial in the newest state, which may differ from the search algorithm's."""
    newest = max(folder.glob("experiment_state-*.json"), default=None)
    trials = json.loads(newest.read_text())["trial_data"] if newest else []
    return {state["trial_id"]: state["status"] for state in (json.loads(trial) for trial, _ in trials)}


def unfinished(trials: dict[str, str]) -> set[str]:
    """Return the trials that take a place: all but terminated ones, since failed trials are retried."""
    return {trial for trial, status in trials.items() if status != Trial.TERMINATED}


def _session(file: Path) -> str:
    """Return the part of the name that all files of a session share."""
    return file.stem.partition("state-")[2]


def _began(file: Path) -> float:
    """Return the start time of a state's session in seconds; 0 if the file is incomplete."""
    content = file.read_bytes()
    return float(json.loads(content)["stats"]["start_time"]) if is_whole(content) else 0.0
