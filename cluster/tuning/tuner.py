"""Starting, interrupting and resuming Ray Tune."""

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

RETRIES = 3  # of a trial whose process or node has died


class TuneInterrupt(Interrupt):
    """The first Ctrl-C or SIGTERM lets Tune save its state; a second one, or one before training, ends at once."""

    def __init__(self) -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until Tune installs its handler
        super().__init__()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        super()._raise(number, frame)
        if signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN:  # no trial has started
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGUSR1)


@contextmanager
def ray_for_tune(processes: int) -> Iterator[TuneInterrupt]:
    """Connect to a cluster with room for `processes`, and handle interrupts, during a block."""
    with ray_for(processes):
        interrupt = TuneInterrupt()  # after Ray, which replaces the handler of SIGTERM
        try:
            yield interrupt
        finally:
            interrupt.restore()


def folder_of(trial: Trial) -> str:
    """Return the name of a trial's folder; Tune's default includes all settings."""
    return str(trial.trial_id)


@contextmanager
def empty_folder(path: Path) -> Iterator[None]:
    """Create an empty folder, deleted at the end with everything left by killed trials."""
    shutil.rmtree(path, ignore_errors=True)  # left by a killed sweep
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


def run_tuner(storage: Path, trainable: Any, make: Callable[[], tune.Tuner], *, resume: bool) -> tune.ResultGrid:
    """Run or resume the sweep with Tune's state in `storage`.

    Raises:
        OSError: what Tune, or a callback of ours, met in writing: the disk is full, say.
    """
    # Tune's own handler of SIGINT would replace that of `TuneInterrupt`.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    # Save often, so that a killed sweep repeats little.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "0.5")
    for name in ("ray.tune", "ray.train", "ray._common.deprecation"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the tables have what matters
    with redirect_stdout(sys.stderr), _unwrapped():  # Tune prints progress, not results
        if resume and repair(storage):
            return tune.Tuner.restore(str(storage), trainable, resume_errored=True).fit()
        shutil.rmtree(storage, ignore_errors=True)  # left by a sweep that was killed at its start
        return make().fit()


@contextmanager
def _unwrapped() -> Iterator[None]:
    """Raise the original error of a callback, which Tune wraps with its traceback as message."""
    try:
        yield
    except tune.TuneError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
