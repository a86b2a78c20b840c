"""How a run goes on: from the newest checkpoint that is whole, and after a disk that was full."""

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
    """The newest checkpoint that `read` can read, and what it made of it; says so where that is not the last one.

    Raises:
        training.storage.checkpoint.CheckpointError: there is none, or none is whole.
    """
    path, found, left = checkpoint.read_newest(directory.checkpoints, read)
    for why in left.values():
        say(f"{why}; taking {path.name} instead")
    return path, found


def resume(directory: RunDir, load: Callable[[Path], T]) -> tuple[Path, T] | None:
    """`read_newest` for whoever will write the next one: damaged checkpoints are put aside. None if none was written.

    Raises:
        training.storage.checkpoint.CheckpointError: none is whole; all lie where they lay.
    """
    _give_back_names(directory.checkpoints)
    if not checkpoint.complete(directory.checkpoints):
        return None
    path, found, left = checkpoint.read_newest(directory.checkpoints, load)
    for damaged, why in left.items():
        aside = checkpoint.put_aside(damaged)
        say(f"{why}; kept as {aside.name}, going on from {path.name}")
    return path, found


def _give_back_names(folder: Path) -> None:
    """A killed process may have moved a checkpoint away, and put no other of the same clock in its place."""
    for old in folder.glob(f"agent_steps-*{REPLACED}"):
        path = old.with_name(old.name.removesuffix(REPLACED))
        if not path.exists():
            old.rename(path)


@contextlib.contextmanager
def writing(directory: RunDir, command: str, *, resume: bool) -> Iterator[None]:
    """Be the one process that writes to a new run, or to one that goes on; a full disk ends it as below.

    Raises:
        ValueError: another process writes there, or a new run finds the directory taken.
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
    """Around all that writes there: a full disk ends in one line, which names the `command` to go on with.

    Raises:
        OSError: the disk is full.
    """
    before = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not is_full(failed.exc_value):  # TensorBoard's thread dies of it; its writer then raises the same here
            before(failed)

    threading.excepthook = hook
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        written = checkpoint.complete(directory.checkpoints)
        kept = f"checkpoint {written[-1].name}" if written else "what was written before"
        said = f"{directory.path} is full ({error.strerror}): {kept} is kept; make room, then go on with: {command}"
        raise OSError(said) from None
    finally:
        threading.excepthook = before


def is_full(error: BaseException | None) -> bool:
    """Whether there was no room for what was to be written."""
    return isinstance(error, OSError) and error.errno in FULL
