"""Signals during `record`: a data set is written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from agents.imitation import writer
from agents.imitation.dataset import open_dataset
from cluster.cli.main import main
from tests.cluster.helpers import PATIENCE, in_terminal

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Patient(contextlib.nullcontext[None]):
    """A fake terminal that returns a key press whenever a game waits for one."""

    def __init__(self, remedy: str) -> None:
        super().__init__()

    def show(self, picture: object, line: str) -> None:
        self.waits = "any key begins" in line

    def key(self, seconds: float) -> str | None:
        key, self.waits = "a" if self.waits else None, False
        return key


def unheard(number: int, frame: FrameType | None) -> None:
    """Fail, in place of the default action that would end the process."""
    raise AssertionError(f"nobody heard {signal.Signals(number).name}")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[int]], None]]:
    """Return a function that sets the signals raised while an episode is written; check the handlers at the end."""
    append = writer._append
    before = {number: signal.getsignal(number) for number in HEARD}
    for number in HEARD[1:]:
        signal.signal(number, unheard)

    def come(numbers: list[int]) -> None:
        def interrupted(column: Any, values: Any) -> None:
            while numbers:
                signal.raise_signal(numbers.pop(0))
            append(column, values)

        monkeypatch.setattr(writer, "_append", interrupted)

    try:
        yield come
        assert [signal.getsignal(number) for number in HEARD] == [before[signal.SIGINT], unheard, unheard]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ([signal.SIGINT], 0),
        ([signal.SIGTERM], 0),
        ([signal.SIGINT, signal.SIGINT], 130),
        ([signal.SIGTERM, signal.SIGTERM], 130),
        ([signal.SIGHUP], 130),
    ],
)
def test_signals_while_a_person_plays(
    numbers: list[int],
    status: int,
    sent: Callable[[list[int]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One SIGINT or SIGTERM ends the recording after the episode; a second one or SIGHUP ends it without a data set."""
    monkeypatch.setattr("cluster.cli.record.Terminal", Patient)
    monkeypatch.setattr("agents.playback.game.SCREENS_PER_SECOND", 1e6)
    sent([*numbers])
    assert main(["record", "--env=toy/catch", "--keyboard", f"--out={tmp_path / 'mine'}"]) == status
    if status:
        assert list(tmp_path.iterdir()) == []
    else:
        dataset = open_dataset(tmp_path / "mine")
        assert [len(episode.frame) for episode in dataset.episodes(range(len(dataset.steps)))] == [12]


@pytest.mark.parametrize("number", HEARD)
def test_signals_while_a_policy_plays(
    number: int, sent: Callable[[list[int]], None], catch_run: Path, tmp_path: Path
) -> None:
    """A signal ends the command and leaves no files; the same command succeeds afterwards."""
    words = ["record", str(catch_run), "--games=1", f"--out={tmp_path / 'set'}"]
    sent([number])
    assert main(words) == 130
    assert list(tmp_path.iterdir()) == []
    assert main(words) == 0


def test_nohup_goes_on(catch_run: Path, tmp_path: Path, sent: Callable[[list[int]], None]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sent([signal.SIGHUP])
    assert main(["record", str(catch_run), "--games=1", f"--out={tmp_path / 'set'}"]) == 0
    assert signal.signal(signal.SIGHUP, unheard) is signal.SIG_IGN


def test_a_terminal_that_closes_leaves_nothing(tmp_path: Path) -> None:
    """A process without SIGHUP (`setsid`) ends with a message and no data set once its terminal is closed."""
    ours, theirs = pty.openpty()
    process = in_terminal(theirs, "record", "--env=toy/catch", "--keyboard", f"--out={tmp_path / 'mine'}")
    os.close(theirs)
    with process:
        try:
            said = b""
            while b"any key begins" not in said:
                said += os.read(ours, 1 << 16)
            os.close(ours)
            assert process.wait(PATIENCE) != 0
            told = process.stderr.read().decode() if process.stderr is not None else ""
        finally:
            process.kill()
    assert "the terminal has been closed" in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []
