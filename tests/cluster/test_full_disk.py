"""A full disk: one line that says what is full, what is kept and how to go on; and then it goes on."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.dqn.serial import SerialLoop
from cluster.cli.main import main
from cluster.fleet.loop import FleetLoop
from tests.cluster.gan_helpers import TINY_GAN, copy_corners
from tests.cluster.helpers import TIMEOUT, TINY_CATCH, read_json, run_program, tree
from tests.cluster.records import checked_summary
from training.storage import checkpoint

# No file may grow beyond so many bytes: every writer fails there as on a full disk.
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from cluster.cli.main import main
sys.exit(main(sys.argv[2:]))
"""
MiB = 1 << 20


def raising(error: BaseException) -> Any:
    """A function that fails."""

    def fail(*arguments: Any) -> None:
        raise error

    return fail


def limited(size: int, *arguments: str) -> str:
    """A command that must end in one line for want of room; returns that line."""
    done = run_program(LIMITED, str(size), *arguments)
    assert done.returncode == 2, done.stderr
    return said(done.stderr)


def said(text: str) -> str:
    """The one message among lines of progress; a traceback is none."""
    assert not any(word in text for word in ("Traceback", "Exception", "Warning")), text
    (line,) = [line for line in text.splitlines() if line.startswith("quarterdeck:")]
    assert text.rstrip().endswith(line)
    return line


# Sizes at which the checkpoint, the events of TensorBoard, and the rows of the curve no longer fit.
@pytest.mark.parametrize("size", [MiB, 5_000, 700])
def test_a_run_is_kept_as_it_was_saved(catch_run: Path, tmp_path: Path, size: int) -> None:
    run = Path(shutil.copytree(catch_run, tmp_path / "my run"))
    kept = checkpoint.latest(run / "checkpoints")
    before = tree(kept)
    line = limited(size, "train", "atari", "--run-dir", str(run), "--resume", "--steps", "500")
    assert line == (
        f"quarterdeck: {run} is full (File too large): checkpoint {kept.name} is kept; make room, then go on with: "
        f"quarterdeck train atari --run-dir '{run}' --resume --steps 500"
    )
    assert [path.name for path in (run / "checkpoints").iterdir()] == [kept.name], "nothing half-written"
    assert tree(kept) == before
    assert main(shlex.split(line.rpartition("quarterdeck ")[2])) == 0
    assert checked_summary(run, episodes=6)["agent_steps"] >= 500


def test_a_new_run_of_which_nothing_is_saved(tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = limited(MiB, "train", "atari", *TINY_CATCH, "--serial", "--steps", "60", "--run-dir", str(run))
    assert "is full (File too large): what was written before is kept" in line
    assert list((run / "checkpoints").iterdir()) == []
    assert main(["train", "atari", "--run-dir", str(run), "--resume"]) == 0


def test_a_table(tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = limited(3_000, "train", "taxi", "--steps", "2000", "--report-every", "1000", "--run-dir", str(run))
    assert "is full (File too large)" in line
    assert not (run / "summary.json").exists()
    assert checkpoint.complete(run / "checkpoints") == []
    assert not list(run.rglob("*.part"))
    assert main(["train", "taxi", "--run-dir", str(run), "--resume"]) == 0


@pytest.mark.parametrize("size", [36_000, 3_000])
def test_a_gan(corners: Path, tmp_path: Path, size: int) -> None:
    run, data = tmp_path / "run", copy_corners(corners, tmp_path)
    assert main(["train", "own", f"--data={data}", *TINY_GAN, "--run-dir", str(run), "--images", "160"]) == 0
    kept = checkpoint.latest(run / "checkpoints")
    go_on = ["train", "own", "--run-dir", str(run), "--resume", "--images", "320"]
    line = limited(size, *go_on)
    assert f"is full (File too large): checkpoint {kept.name} is kept; make room" in line
    assert [path.name for path in (run / "checkpoints").iterdir()] == [kept.name]
    assert main(shlex.split(line.rpartition("quarterdeck ")[2])) == 0
    assert read_json(run / "summary.json")["images"] >= 320


FAILED = "(file write failed: time = Mon Nov 30\n, errno = 28, error message = 'No space left on device', buf = 0x5a)"


@pytest.mark.parametrize(
    ("place", "fails"),
    [
        ("shutil.disk_usage", lambda path: SimpleNamespace(free=MiB)),  # seen before HDF5 meets the end of the disk
        ("agents.imitation.writer._append", raising(OSError(f"Can't synchronously write data {FAILED}"))),
        ("h5py.File.close", raising(RuntimeError(f"Can't decrement id ref count {FAILED}"))),
        ("agents.imitation.writer.write_json", raising(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))),
    ],
)
def test_a_recording(
    catch_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
    fails: Any,
) -> None:
    """However h5py says so, and whenever: nothing is left."""
    monkeypatch.setattr(place, fails)
    out = tmp_path / "set"
    assert main(["record", str(catch_run), "--games=2", f"--out={out}"]) == 2
    assert said(capsys.readouterr().err) == (
        f"quarterdeck: {out} is full (No space left on device): nothing is kept; make room, or name another --out"
    )
    assert not out.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds a handful of checkpoints."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(path)]
    if (
        os.geteuid()
        or shutil.which("mount") is None
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("mounts a small file system, which only root may")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("fleet", [["--serial"], [], ["--fleet.runners=2", "--fleet.shards=2"], ["--fleet.learners=1"]])
@pytest.mark.usefixtures("ray_cluster")
def test_a_disk_that_fills_up(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], fleet: list[str]
) -> None:
    """Really full as the second checkpoint is written; shards and learners write theirs in processes of their own."""
    run, filler = small_disk / "run", small_disk / "filler"
    loop = SerialLoop if "--serial" in fleet else FleetLoop
    save = loop.save

    def fill_and_save(self: Any, folder: Path) -> Path:
        if checkpoint.complete(folder):
            filled = subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], check=False, capture_output=True)
            assert b"No space left" in filled.stderr
        saved: Path = save(self, folder)
        return saved

    words = ["train", "atari", *TINY_CATCH, *fleet, "--learner.device=cpu", "--steps", "9000000", "--minutes", "60000"]
    with monkeypatch.context() as patch:
        patch.setattr(loop, "save", fill_and_save)
        patch.setattr("agents.dqn.run.LANE_STEPS", 100)
        assert main([*words, "--run-dir", str(run), "--checkpoint-minutes", "0.02"]) == 2
    said, kept = capfd.readouterr().err, checkpoint.latest(run / "checkpoints")
    assert [line for line in said.splitlines() if "is full" in line] == [
        f"quarterdeck: {run} is full (No space left on device): checkpoint {kept.name} is kept; make room, then go on "
        f"with: quarterdeck train atari --run-dir {run} --resume"
    ]
    assert said.splitlines()[-1].startswith("quarterdeck: ")
    assert "Traceback" not in said
    assert not list((run / "checkpoints").glob("*.part"))
    filler.unlink()
    end = int(kept.name.rpartition("-")[2]) + 50
    assert main(["train", "atari", "--run-dir", str(run), "--resume", "--steps", str(end)]) == 0
    assert checked_summary(run, episodes=6)["agent_steps"] >= end
