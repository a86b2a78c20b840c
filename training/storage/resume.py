"""Resuming of runs from the newest intact checkpoint, and reports of full disks."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from training.messages import say
from training.storage import checkpoint
from training.storage.files import REPLACED
from training.storage.run_dir import RunDir

T = TypeVar("T")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def read_newest(directory: RunDir, read: Callable[[Path], T]) -> tuple[Path, T]:
    """Return the newest checkpoint that `read` can read, and its result; print a message if newer ones are damaged.

    Raises:
        training.storage.checkpoint.CheckpointError: there is none, or all are damaged.
    """
    path, found, left = checkpoint.read_newest(directory.checkpoints, read)
    for why in left.values():
        say(f"{why}; taking {path.name} instead")
    return path, found


def resume(directory: RunDir, load: Callable[[Path], T]) -> tuple[Path, T] | None:
    """Like `read_newest`, but rename damaged checkpoints; return None if there is no checkpoint.

    Raises:
        training.storage.checkpoint.CheckpointError: all are damaged; none is renamed.
    """
    _give_back_names(directory.checkpoints)
    if not checkpoint.complete(directory.checkpoints):
        return None
    path, found, left = checkpoint.read_newest(directory.checkpoints, load)
    for damaged, why in left.items():
        aside = checkpoint.put_aside(damaged)
        say(f"{why}; kept as {aside.name}, resuming from {path.name}")
    return path, found


def _give_back_names(folder: Path) -> None:
    """Undo a replacement of a checkpoint that a killed process has not finished."""
    for old in folder.glob(f"agent_steps-*{REPLACED}"):
        path = old.with_name(old.name.removesuffix(REPLACED))
        if not path.exists():
            old.rename(path)


@contextlib.contextmanager
def writing(directory: RunDir, command: str, *, resume: bool) -> Iterator[None]:
    """Hold the lock of a new or resumed run directory during a block; report a full disk as below.

    Raises:
        ValueError: another process holds the lock, or the directory of a new run is not free.
        OSError: the disk is full.
    """
    with contextlib.closing(directory), full_disk_explained(directory, command):
        if resume:
            directory.claim()
        else:
            directory.reserve()
        yield


@contextlib.contextmanager
def full_disk_explained(directory: RunDir, command: str) -> Iterator[None]:
    """Report a full disk during a block in one line, with the `command` to resume.

    Raises:
        OSError: the disk is full.
    """
    before = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not is_full(failed.exc_value):  # in TensorBoard's thread, whose writer raises it again in this one
            before(failed)

    threading.excepthook = hook
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        written = checkpoint.complete(directory.checkpoints)
        kept = f"checkpoint {written[-1].name}" if written else "what was written before"
        said = f"{directory.path} is full ({error.strerror}): {kept} is kept; make room, then resume with: {command}"
        raise OSError(said) from None
    finally:
        threading.excepthook = before


def is_full(error: BaseException | None) -> bool:
    """Return whether an error means a full disk or quota."""
    return isinstance(error, OSError) and error.errno in FULL
