"""`quarterdeck board`: TensorBoard for run directories, on loopback only, with the overview as the first tab."""

from __future__ import annotations

import contextlib
import io
import logging
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from cluster.cli.options import Board

HOST = "127.0.0.1"
EVENTS = "events.out.tfevents.*"
# Samples kept per tag; TensorBoard's defaults thin out long runs and drop most pictures.
KEPT = {"scalars": 5_000, "images": 60, "histograms": 200, "distributions": 200, "text": 20, "tensors": 200}
FIRST = "custom_scalars"  # plugin of the first tab


def board(options: Board) -> int:
    """Run `quarterdeck board [RUNS]`."""
    runs = runs_in(options.runs)
    _require_free(options.port)
    stop = threading.Event()
    before = {number: signal.signal(number, _raiser(stop)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        url = serve(options.runs, options.port)
        count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
        print(f"{count} of {options.runs} at {url} (Ctrl-C ends this)", flush=True)
        stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def runs_in(folder: Path) -> list[Path]:
    """Return the folders with events at or below `folder`.

    Raises:
        ValueError: there are none.
    """
    found = sorted({file.parent for file in folder.rglob(EVENTS)}) if folder.is_dir() else []
    if not found:
        raise ValueError(f"{folder} holds no runs with events: train first, or name the folder that your runs are in")
    return found


def serve(folder: Path, port: int) -> str:
    """Start TensorBoard in threads of this process, with which it ends; return its URL.

    Raises:
        ValueError: the port is taken.
    """
    from tensorboard.program import TensorBoard, TensorBoardServerException

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    server = TensorBoard(plugins=_plugins())
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # hides advice about its own flags
            server.configure(
                logdir=str(folder),
                host=HOST,
                port=port,
                samples_per_plugin=KEPT,
                reload_interval=10.0,
                reload_multifile=True,  # resumed runs have several files
                reload_multifile_inactive_secs=-1,
                window_title=f"quarterdeck: {folder}",
            )
            url: str = server.launch()
    except TensorBoardServerException as error:
        raise ValueError(f"TensorBoard does not start ({error.msg}): name another --port") from None
    return url


def _plugins() -> list[Any]:
    """Return TensorBoard's plugins in the order of tabs: core, the overview, the others."""
    from tensorboard.default import get_plugins

    core, *others = get_plugins()
    return [core, *sorted(others, key=lambda plugin: getattr(plugin, "plugin_name", "") != FIRST)]


def _require_free(port: int) -> None:
    if not 0 <= port <= 65_535:
        raise ValueError(f"port is {port}: use 1 to 65535, or 0 for any that is free")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ValueError(f"port {port} cannot be used ({error.strerror}): name another --port") from None


def _raiser(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    return lambda number, frame: stop.set()
