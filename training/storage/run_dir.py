"""Run directories: layout, ownership and locks.

`run.json` marks the directory of a run. A process that writes to it holds a lock on that file, which excludes others.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from training.storage.curve import cut_curve
from training.storage.files import part_of, write_json
from training.storage.locks import lock
from training.storage.older import in_todays_words

MARKER = "run.json"


class RunDir:
    """Paths of a run. Directories without `run.json` are never written to, unless new or empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self.curve_csv, self.curve_png = path / "curve.csv", path / "curve.png"
        self.summary = path / "summary.json"
        self.generator, self.pictures = path / "generator", path / "pictures"  # pictures are named by the run's clock
        self._held: int | None = None  # descriptor of the locked run.json
        self._made: list[Path] = []  # folders created for a run that has not begun

    def require_free(self) -> None:
        """Check that the directory is new or empty.

        Raises:
            ValueError: it has a run or other files.
        """
        if (self.path / MARKER).exists():
            raise ValueError(
                f"{self.path} already holds a run: add --resume to go on with it, or name another --run-dir"
            )
        started = part_of(self.path / MARKER)  # left by a run that was killed during creation
        if self.path.exists() and (not self.path.is_dir() or any(path != started for path in self.path.iterdir())):
            raise ValueError(f"{self.path} is not an empty directory, and no run of ours: name another --run-dir")

    def reserve(self) -> None:
        """Lock a new or empty directory until `create`, or until `close` removes it.

        Raises:
            ValueError: it is not free or not writable.
        """
        self.require_free()
        try:
            self._made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            self._hold(part_of(self.path / MARKER))
        except OSError as error:
            raise self._unwritable(error) from None
        self.require_free()  # another process may have been first

    def create(self, record: dict[str, Any]) -> None:
        """Turn a new or empty directory into that of a run.

        Raises:
            ValueError: it is not free or not writable.
        """
        if self._held is None:
            self.reserve()
        try:
            write_json(self.path / MARKER, record)  # renames the locked file
        except OSError as error:
            raise self._unwritable(error) from None
        self._made = []

    def claim(self) -> None:
        """Lock an existing run, to resume it.

        Raises:
            ValueError: another process holds the lock.
        """
        self._hold(self.path / MARKER)

    def _hold(self, file: Path) -> None:
        self._held = lock(file)
        if self._held is None:
            raise ValueError(
                f"{self.path} is in use by a command that still runs: wait for its end or stop it (Ctrl-C saves), "
                "or name another --run-dir; on NFS the lock of a host that vanished lasts some 90 seconds"
            )

    def _unwritable(self, error: OSError) -> ValueError:
        return ValueError(f"cannot write to {self.path} ({error.strerror}): name another --run-dir")

    def close(self) -> None:
        """Release the lock; remove a directory that was only reserved."""
        if self._held is None:
            return
        if not (self.path / MARKER).exists():
            part_of(self.path / MARKER).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another process has put files there
                for folder in self._made:
                    folder.rmdir()
        os.close(self._held)
        self._held = None

    def rewind(self, now: int) -> None:
        """Delete incomplete files, and what is later than `now` on the run's clock."""
        for file in (self.path / MARKER, self.summary, self.curve_csv, self.curve_png):
            part_of(file).unlink(missing_ok=True)
        for part in self.checkpoints.glob("agent_steps-*.part"):
            shutil.rmtree(part)
        if self.curve_csv.exists():
            cut_curve(self.curve_csv, now)
        for file in self.pictures.glob("*.png"):
            if not file.stem.isdecimal() or int(file.stem) > now:
                file.unlink()

    def record(self, made_by: str = "train") -> dict[str, Any]:
        """Return the record of `create`.

        Raises:
            ValueError: the directory has no run, or one of another command.
        """
        try:
            record: dict[str, Any] = json.loads((self.path / MARKER).read_text())
            whole = {"preset", "serial", "settings"} <= record.keys() and isinstance(record["settings"], dict)
        except (OSError, ValueError, AttributeError):
            whole = False
        if not whole:
            raise ValueError(f"{self.path} holds no run: give a directory that `quarterdeck {made_by}` made")
        record = in_todays_words(record)
        if record["made_by"] != made_by:
            other = record["made_by"]
            raise ValueError(f"{self.path} is a run of `quarterdeck {other}`: `quarterdeck {made_by}` makes others")
        return record


def default_run_dir(preset: str, env: str, seed: int) -> Path:
    """Return runs/PRESET-ENV-sSEED, with a number if that exists."""
    game = env.rsplit("/", 1)[-1].rpartition(":")[2].removesuffix("-v5").lower()
    preset = preset.rpartition(":")[2]
    name = f"{preset}-s{seed}" if game == preset else f"{preset}-{game}-s{seed}"
    taken = {path.name for path in Path("runs").glob(f"{name}*")}
    names = (name if index == 1 else f"{name}-{index}" for index in range(1, len(taken) + 2))
    return Path("runs") / next(free for free in names if free not in taken)
