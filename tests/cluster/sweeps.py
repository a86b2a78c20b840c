"""Sweeps that run in the background of a test, and their trial processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cluster.cli.main import main
from tests.cluster.helpers import command, environment

ROOT = Path(__file__).parents[2]


@contextmanager
def started(*arguments: str, cwd: Path = ROOT, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start a `cluster` command in the background; kill its process group at exit if it still runs."""
    with subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**environment(), **variables},
        cwd=cwd,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def resumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], preset: str, run: Path, *options: str
) -> str:
    """Resume a sweep to its end in this process, with Tune's default loggers; return its standard output."""
    monkeypatch.delenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS")
    capsys.readouterr()
    assert main(["sweep", preset, f"--run-dir={run}", "--resume", *options]) == 0
    return capsys.readouterr().out


def trial_that_trains(sweep: subprocess.Popen[str]) -> psutil.Process | None:
    """Return a process that is training a trial now, or None."""
    assert sweep.poll() is None, "it has ended too soon"
    for process in psutil.Process(sweep.pid).children(recursive=True):
        try:
            name = " ".join(process.cmdline())
            if name.startswith("ray::") and ".train" in name:
                return process
        except psutil.Error:  # it has ended meanwhile
            continue
    return None
