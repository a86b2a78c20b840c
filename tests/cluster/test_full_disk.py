"""A full disk: one line that says what is full, what is kept and how to go on; and then it goes on."""

from __future__ import annotations

import errno
import json
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

# No file may grow beyond so many bytes while a command runs: every writer fails there as on a full disk.
LIMITED = """
import json, resource, sys
from cluster.cli.main import main
before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
for size, words in json.loads(sys.argv[1]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    status = main(words)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
    print("END", status, file=sys.stderr, flush=True)
"""
MiB = 1 << 20


def raising(error: BaseException) -> Any:
    """A function that fails."""

    def fail(*arguments: Any) -> None:
        raise error

    return fail


def limited(*commands: tuple[int, list[str]]) -> list[str]:
    """Commands that must each end in one line for want of room, one after the other; returns those lines."""
    done = run_program(LIMITED, json.dumps(commands))
    assert done.returncode == 0, done.stderr
    *told, rest = done.stderr.split("END 2\n")
    assert (len(told), rest) == (len(commands), ""), done.stderr
    return [said(text) for text in told]


def said(text: str) -> str:
    """The one message among lines of progress; a traceback is none."""
    assert not any(word in text for word in ("Traceback", "Exception", "Warning")), text
    (line,) = [line for line in text.splitlines() if line.startswith("quarterdeck:")]
    assert text.rstrip().endswith(line)
    return line


@pytest.mark.timeout(TIMEOUT)
def test_a_run_is_kept_as_it_was_saved(catch_run: Path, tmp_path: Path) -> None:
    kept = checkpoint.latest(catch_run / "checkpoints")
    before = tree(kept)
    sizes = (MiB, 5_000, 700)  # at which the checkpoint, the events of TensorBoard, the rows of the curve do not fit
    runs = [Path(shutil.copytree(catch_run, tmp_path / f"my run {size}")) for size in sizes]
    words = [["train", "atari", "--run-dir", str(run), "--resume", "--steps", "500"] for run in runs]
    for run, line in zip(runs, limited(*zip(sizes, words, strict=True)), strict=True):
        assert line == (
            f"quarterdeck: {run} is full (File too large): checkpoint {kept.name} is kept; make room, then resume "
            f"with: quarterdeck train atari --run-dir '{run}' --resume --steps 500"
        )
        assert [path.name for path in (run / "checkpoints").iterdir()] == [kept.name], "nothing half-written"
        assert tree(run / "checkpoints" / kept.name) == before
        assert main(shlex.split(line.rpartition("quarterdeck ")[2])) == 0
        assert checked_summary(run, episodes=6)["agent_steps"] >= 500


@pytest.fixture(scope="module")
def full(corners: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """By name, other runs for which there was no room, and what was said of each."""
    folder = tmp_path_factory.mktemp("full")
    saved, data = folder / "saved", copy_corners(corners, folder)
    assert main(["train", "own", f"--data={data}", *TINY_GAN, "--run-dir", str(saved), "--images", "160"]) == 0
    commands = {
        "new": (MiB, ["train", "atari", *TINY_CATCH, "--serial", "--steps", "60"]),
        "table": (3_000, ["train", "taxi", "--steps", "2000", "--report-every", "1000"]),
    }
    for size in (36_000, 3_000):  # of the checkpoint and the events
        commands[f"gan-{size}"] = size, ["train", "own", "--resume", "--images", "320"]
        shutil.copytree(saved, folder / f"gan-{size}")
    lines = limited(*((size, [*words, f"--run-dir={folder / name}"]) for name, (size, words) in commands.items()))
    return {name: (folder / name, line) for name, line in zip(commands, lines, strict=True)}


@pytest.mark.timeout(TIMEOUT)
def test_a_new_run_of_which_nothing_is_saved(full: dict[str, tuple[Path, str]]) -> None:
    run, line = full["new"]
    assert "is full (File too large): what was written before is kept" in line
    assert list((run / "checkpoints").iterdir()) == []
    assert main(["train", "atari", "--run-dir", str(run), "--resume"]) == 0


@pytest.mark.timeout(TIMEOUT)
def test_a_table(full: dict[str, tuple[Path, str]]) -> None:
    run, line = full["table"]
    assert "is full (File too large)" in line
    assert not (run / "summary.json").exists()
    assert checkpoint.complete(run / "checkpoints") == []
    assert not list(run.rglob("*.part"))
    assert main(["train", "taxi", "--run-dir", str(run), "--resume"]) == 0


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("name", ["gan-36000", "gan-3000"])
def test_a_gan(full: dict[str, tuple[Path, str]], name: str) -> None:
    run, line = full[name]
    kept = checkpoint.latest(run.with_name("saved") / "checkpoints")
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
        f"quarterdeck: {run} is full (No space left on device): checkpoint {kept.name} is kept; make room, then resume "
        f"with: quarterdeck train atari --run-dir {run} --resume"
    ]
    assert said.splitlines()[-1].startswith("quarterdeck: ")
    assert "Traceback" not in said
    assert not list((run / "checkpoints").glob("*.part"))
    filler.unlink()
    end = int(kept.name.rpartition("-")[2]) + 50
    assert main(["train", "atari", "--run-dir", str(run), "--resume", "--steps", str(end)]) == 0
    assert checked_summary(run, episodes=6)["agent_steps"] >= end
