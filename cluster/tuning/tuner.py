"""What every sweep does around Ray Tune: start it, listen to Ctrl-C, go on where it stopped."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from cluster.connect import ray_for
from cluster.tuning.snapshots import repair
from training.interrupt import Interrupt

RETRIES = 3  # of a trial whose process or node died


class TuneInterrupt(Interrupt):
    """The first Ctrl-C or SIGTERM lets Tune write down where it is; a second one, or an early one, ends all."""

    def __init__(self) -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until Tune listens to it
        super().__init__()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        super()._raise(number, frame)
        if signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN:  # nothing is trained yet
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGUSR1)


@contextmanager
def ray_for_tune(processes: int) -> Iterator[TuneInterrupt]:
    """A cluster with room for so many processes that reserve a core each, and ears for a person who interrupts."""
    with ray_for(processes):
        interrupt = TuneInterrupt()  # not earlier: Ray puts a handler of its own in SIGTERM's place
        try:
            yield interrupt
        finally:
            interrupt.restore()


def folder_of(trial: Trial) -> str:
    """A trial's folder is called as it is; Tune would write all its settings into the name."""
    return str(trial.trial_id)


@contextmanager
def empty_folder(path: Path) -> Iterator[None]:
    """A folder of this sweep's own, gone after it with all that killed trials leave there."""
    shutil.rmtree(path, ignore_errors=True)  # of a sweep that was killed
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


def run_tuner(storage: Path, trainable: Any, make: Callable[[], tune.Tuner], *, resume: bool) -> tune.ResultGrid:
    """Run the sweep whose trials lie in `storage`, or what is left of it.

    Raises:
        OSError: what Tune, or a callback of ours, met in writing: the disk is full, say.
    """
    # Tune would put a handler of its own in the place of `TuneInterrupt`, which then would not know of a Ctrl-C.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    # Written down at once what has happened: a sweep that is killed repeats nothing that was done.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "0.5")
    for name in ("ray.tune", "ray.train", "ray._common.deprecation"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of them is in the tables
    with redirect_stdout(sys.stderr), _unwrapped():  # Tune's words are progress, not results
        if resume and repair(storage):
            return tune.Tuner.restore(str(storage), trainable, resume_errored=True).fit()
        shutil.rmtree(storage, ignore_errors=True)  # of a sweep that was killed in its first moment
        return make().fit()


@contextmanager
def _unwrapped() -> Iterator[None]:
    """Tune makes of an error in a callback one whose message is the whole traceback."""
    try:
        yield
    except tune.TuneError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
