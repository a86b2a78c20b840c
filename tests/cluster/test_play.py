"""A game in the terminal and as a video with values."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import signal
import termios
from collections.abc import Iterator
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest

from agents.dqn.serial import SerialLoop
from agents.playback.terminal import ENTER, HALF, LEAVE, fitted, half_blocks, shrunk
from cluster.cli.main import main
from tests.cluster.helpers import PATIENCE, in_terminal
from tests.cluster.records import refused
from tests.small_run import small_settings
from training.settings import to_dict
from training.storage.run_dir import RunDir

COLOUR = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m")


def read_back(drawn: str) -> np.ndarray:
    """The picture that a terminal would show."""
    rows = []
    for line in drawn.split("\r\n")[:-1]:
        upper, lower, colours = [], [], None
        for piece in re.findall(rf"{COLOUR.pattern.replace('(', '(?:')}|{HALF}", line):
            if piece == HALF:
                assert colours is not None
                upper.append(colours[:3])
                lower.append(colours[3:])
            else:
                colours = [int(value) for value in COLOUR.fullmatch(piece).groups()]  # type: ignore[union-attr]
        rows += [upper, lower]
    return np.array(rows, np.uint8)


def test_half_blocks_hold_every_pixel() -> None:
    picture = np.random.default_rng(0).integers(0, 3, (8, 11, 3), np.uint8) * 100
    assert np.array_equal(read_back(half_blocks(picture)), picture)


def test_a_colour_is_named_once_for_its_run() -> None:
    assert half_blocks(np.full((2, 50, 3), 7, np.uint8)).count("38;2;") == 1


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (50, 200), (3, 300), (100, 10)])
def test_pictures_fit_and_keep_their_shape(rows: int, columns: int) -> None:
    height, width = fitted((210, 320), (2 * rows, columns))
    assert height <= 2 * rows
    assert width <= columns
    assert height % 2 == 0
    assert abs(height * 320 - width * 210) <= 2 * 320 + 210
    assert height > 2 * rows - 2 - 1 or width > columns - 4


def test_small_bright_things_stay_visible() -> None:
    picture = np.zeros((210, 320, 3), np.uint8)
    picture[100:104, 50:54] = 255
    assert shrunk(picture, (46, 70)).max() > 60


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose games take minutes at their own speed: nobody waits for their end."""
    directory, settings = RunDir(tmp_path_factory.mktemp("long") / "run"), small_settings("pong")
    directory.create({"preset": "pong", "serial": True, "settings": to_dict(settings)})
    run = SerialLoop(settings)
    run.save(directory.checkpoints)
    run.close()
    return directory.path


@pytest.mark.parametrize("end", ["q", "terminated"])
def test_play_draws_and_gives_the_terminal_back(long_run: Path, terminal: tuple[int, int], end: str) -> None:
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    process = in_terminal(theirs, "play", str(long_run))
    said = b""
    while said.count(b"q: quit") < 2:
        said += os.read(ours, 1 << 16)
    assert termios.tcgetattr(theirs)[3] & termios.ICANON == 0
    if end == "q":
        os.write(ours, b"xq")
    else:
        process.send_signal(signal.SIGTERM)
    while b"points" not in said:
        said += os.read(ours, 1 << 16)
    assert process.wait(PATIENCE) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert termios.tcgetattr(theirs) == before
    text = said.decode(errors="ignore")
    assert text.startswith(ENTER)
    assert text.count(ENTER) == text.count(LEAVE) == 1
    assert text.index(LEAVE) < text.index("points")
    first = text.removeprefix(ENTER + "\x1b[H").split("\x1b[0m\x1b[K")
    picture = read_back("\x1b[0m\x1b[K".join(first[:23]).replace("\r\r\n", "\r\n") + "\r\n")
    assert picture.shape == (46, 70, 3)
    assert (picture.max(2) - picture.min(2)).max() > 50, "Pong is in colour"


class Held(contextlib.nullcontext[None]):
    """A terminal before which somebody has held a key for long, and then pressed q."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.shown = ["x"] * 50 + ["q"], 0

    def show(self, picture: object, line: str) -> None:
        self.shown += 1

    def key(self, seconds: float) -> str | None:
        return self.keys.pop(0) if self.keys else None


def test_a_held_key_is_heard_at_once(catch_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is no step of the game: q is heard before the second one."""
    terminal = Held()
    monkeypatch.setattr("cluster.cli.watch.Terminal", lambda remedy: terminal)
    assert main(["play", str(catch_run)]) == 0
    assert terminal.shown == 1


def test_play_without_a_terminal_says_what_else_there_is(
    catch_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "this is none: use watch RUN_DIR --out FILE.mp4" in refused(capsys, "play", str(catch_run))


class Latin(io.StringIO):
    """A terminal of another age."""

    encoding = "latin-1"

    def isatty(self) -> bool:
        return True


def test_play_wants_an_encoding_with_half_blocks(
    catch_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Latin())
    monkeypatch.setattr("sys.stdout", Latin())
    assert "has no half blocks: use a UTF-8 locale" in refused(capsys, "play", str(catch_run))


def test_play_wants_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "holds no run" in refused(capsys, "play", str(tmp_path))


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the reader's pipes
def test_watch_draws_values_beside_the_screen(catch_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "game.mp4"
    assert main(["watch", str(catch_run), "--out", str(out), "--values"]) == 0
    with imageio.get_reader(out) as video:
        pictures = [np.asarray(picture) for picture in video]
    assert len(pictures) == 12
    assert pictures[0].shape == (420, 640, 3)
    assert (pictures[0][:, 420:].max(2) > 200).any(), "text"
