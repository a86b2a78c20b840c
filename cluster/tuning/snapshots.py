"""Tune's own state, kept whole: Tune writes over the only copy again and again, and may be killed while it does."""

from __future__ import annotations

import json
import pickletools
import zipfile
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from training.storage.files import whole

STATES = "*state-*"  # of the experiment and of whoever draws settings


def is_whole(content: bytes) -> bool:
    """Whether a state file (JSON or pickle) was written to its end; nothing in it is executed."""
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
    """The state files under `storage`, torn or not."""
    return {file.name: file.read_bytes() for file in storage.glob(STATES)}


def kept_file(storage: Path) -> Path:
    """Where the newest whole state is kept."""
    return storage.with_name(f"{storage.name}-state.zip")


class Snapshots(tune.Callback):
    """Keeps the newest whole state of the experiment under `storage`."""

    def __init__(self, storage: Path) -> None:
        self.storage = storage
        self.kept: dict[str, bytes] = {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Called by Tune in the driver, several times a second."""
        found = contents(self.storage)
        if found == self.kept or not found or not all(map(is_whole, found.values())):
            return
        with whole(kept_file(self.storage)) as part, zipfile.ZipFile(part, "w") as out:
            for name, content in found.items():
                out.writestr(name, content)
        self.kept = found


def repair(storage: Path) -> bool:
    """Make the state under `storage` whole again after a kill; returns whether there is one to go on from."""
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
    """Leave nothing but the newest state, and the newest of whoever draws settings.

    Tune goes on from the last by name, and names them by the local time at which a session began: after one in another
    time zone, or in the hour that a change of clocks repeats, that is an older one.
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
    """The status of every trial that the newest state has: a kill may fall between it and that of whoever draws."""
    newest = max(folder.glob("experiment_state-*.json"), default=None)
    trials = json.loads(newest.read_text())["trial_data"] if newest else []
    return {state["trial_id"]: state["status"] for state in (json.loads(trial) for trial, _ in trials)}


def unfinished(trials: dict[str, str]) -> set[str]:
    """Of trials and their status, those that take a place: a trial that was given up is tried again."""
    return {trial for trial, status in trials.items() if status != Trial.TERMINATED}


def _session(file: Path) -> str:
    """The part of a name that all files of a session share."""
    return file.stem.partition("state-")[2]


def _began(file: Path) -> float:
    """When the session of a state of the experiment began, in seconds; 0 where the file is torn."""
    content = file.read_bytes()
    return float(json.loads(content)["stats"]["start_time"]) if is_whole(content) else 0.0
