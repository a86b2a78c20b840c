"""A run whose driver was killed, at the worst moments: --resume finds the last whole checkpoint and nothing else."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from cluster.cli.main import main
from tests.cluster.helpers import (
    ENDLESS_CARTPOLE,
    TIMEOUT,
    command,
    environment,
    read_json,
    run_command,
    tree,
    wait_until,
)
from tests.cluster.records import checked_summary, learns, saved, scalars
from training.storage import checkpoint
from training.storage.resume import resume
from training.storage.run_dir import RunDir


def litter(run: Path) -> None:
    """What is half-written when a driver dies while it saves."""
    part = run / "checkpoints" / "agent_steps-000099999999.part"
    (part / "replay-0.part").mkdir(parents=True)
    (part / "arrays.safetensors").write_bytes(b"half")
    (part / "replay-0.part" / "0.lz4").write_bytes(b"half")
    for name in ("run.part.json", "summary.part.json", "curve.part.csv", "curve.part.png"):
        (run / name).write_text("half")
    with (run / "curve.csv").open("a") as table:
        table.write("99.5,99999999,99999999,12,1.0,,\r\n99.9,9999")


def curve_steps(run: Path) -> list[int]:
    """Agent steps of the learning curve's rows."""
    with (run / "curve.csv").open() as table:
        return [int(row["agent_steps"]) for row in csv.DictReader(table)]


def holders(file: Path, processes: list[psutil.Process]) -> list[int]:
    """Which of the processes have `file` open; one that ends meanwhile has not."""
    found = []
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            if str(file.resolve()) in {held.path for held in one.open_files()}:
                found.append(one.pid)
    return found


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
def test_a_killed_fleet_is_resumed(tmp_path: Path, gone_in_the_end: list[psutil.Process]) -> None:
    """SIGKILL between checkpoints: what came after the last one is lost, and only that; the curves know no overlap.

    Ray's processes outlive a killed driver for a while; none has inherited its lock, the directory is free at once.
    """
    run, log = tmp_path / "run", tmp_path / "log"
    with log.open("wb") as out:
        training = subprocess.Popen(
            command("train", *ENDLESS_CARTPOLE, "--run-dir", str(run), "--checkpoint-minutes", "0.02"),
            stdout=out,
            stderr=out,
            env=environment(),
            start_new_session=True,
        )
    with training:
        saves = run / "checkpoints"
        try:
            wait_until(
                lambda: training.poll() is not None or (learns(run) and len(checkpoint.complete(saves)) == 2) or None
            )
            assert training.poll() is None, log.read_text()
            driver = psutil.Process(training.pid)
            started = driver.children(recursive=True)
            assert len(started) > 3
            assert holders(run / "run.json", [driver]) == [driver.pid]
            assert holders(run / "run.json", started) == []
        finally:
            os.kill(training.pid, signal.SIGKILL)
    assert training.returncode == -signal.SIGKILL
    with closing(RunDir(run)) as free:
        free.claim()
    litter(run)
    first = saved(run)
    assert first["updates"] > 0

    end = first["agent_steps"] + 300
    done = run_command("train", "cartpole", "--run-dir", str(run), "--resume", "--steps", str(end))
    assert done.returncode == 0, done.stderr
    summary = checked_summary(run, episodes=6)  # also that steps only grow, and that nothing half-written is left
    assert end <= summary["agent_steps"] < first["agent_steps"] + 10_000
    assert summary["updates"] * 16 == pytest.approx(2.0 * (summary["agent_steps"] - 100), abs=16)
    for points in scalars(run).values():
        steps = [step for step, _ in points]
        assert steps == sorted(steps)
    gone_in_the_end.extend(started)  # Ray's agents look for their head for a minute


@pytest.fixture
def run(catch_run: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(catch_run, tmp_path / "run"))


def test_everything_beyond_the_checkpoint_is_dropped(run: Path) -> None:
    before, steps = tree(run), curve_steps(run)
    (run / "notes.part").write_text("mine")
    litter(run)
    assert 99999999 in [int(line.split(",")[1]) for line in (run / "curve.csv").read_text().splitlines()[1:-1]]
    RunDir(run).rewind(saved(run)["agent_steps"])
    assert curve_steps(run) == steps
    (run / "notes.part").unlink()
    assert tree(run).keys() == before.keys()
    RunDir(run).rewind(0)
    assert curve_steps(run) == []
    assert (run / "curve.csv").read_text().startswith("seconds,agent_steps")


def test_a_run_killed_in_its_first_save_begins_anew(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    litter(run)
    assert main(["train", "atari", "--run-dir", str(run), "--resume", "--steps", "120"]) == 0
    assert 120 <= checked_summary(run, episodes=6)["agent_steps"] < 120 + 2 * 16


@pytest.mark.parametrize("left", ["", "seconds,agent_st"])
def test_a_curve_that_got_no_head_gets_one(run: Path, left: str) -> None:
    """The disk was full at the first report: the run is resumed, and can be again."""
    (run / "curve.csv").write_text(left)
    for more in (16, 32):
        end = saved(run)["agent_steps"] + more
        assert main(["train", "atari", "--run-dir", str(run), "--resume", "--steps", str(end)]) == 0
        checked_summary(run, episodes=6)
    assert len(curve_steps(run)) >= 2


def test_a_run_killed_between_two_names_keeps_its_checkpoint(run: Path) -> None:
    """The one that was there has been moved away for one of the same clock, which has not got its name yet."""
    (path,) = checkpoint.complete(run / "checkpoints")
    before, now = tree(path), saved(run)["agent_steps"]
    shutil.copytree(path, path.with_name(f"{path.name}.part"))
    path.rename(path.with_name(f"{path.name}.old.part"))
    found = resume(RunDir(run), lambda path: checkpoint.load(path, only="stats"))
    assert found is not None
    assert found[0] == path
    assert found[1]["stats"]["agent_steps"] == now
    RunDir(run).rewind(now)
    assert [one.name for one in (run / "checkpoints").iterdir()] == [path.name]
    assert tree(path) == before


def test_what_was_replaced_takes_no_place_of_the_new(run: Path) -> None:
    """Killed when both names were given: the newer one stays, the older one goes."""
    (path,) = checkpoint.complete(run / "checkpoints")
    before = tree(path)
    old = path.with_name(f"{path.name}.old.part")
    old.mkdir()
    (old / "state.json").write_text("{}")
    assert main(["train", "atari", "--run-dir", str(run), "--resume"]) == 0
    assert not old.exists()
    assert tree(path).keys() == before.keys()
    assert checkpoint.load(path)


def test_a_run_killed_in_its_first_moment(tmp_path: Path) -> None:
    """Before run.json there is nothing to resume; the same command without --resume starts."""
    (tmp_path / "run.part.json").write_text("{")
    RunDir(tmp_path).create({"preset": "pong"})
    assert read_json(tmp_path / "run.json") == {"preset": "pong"}
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("doomed", ["older", "same"])
def test_killed_while_it_deletes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doomed: str) -> None:
    """A checkpoint that is on its way out, or being replaced, never passes for a whole one."""
    for steps in (1, 2):
        checkpoint.save_next(tmp_path, steps, {"try": 0})

    def killed(path: Path, ignore_errors: bool = False) -> None:
        if path.exists():
            (path / "state.json").unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr("training.storage.checkpoint.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save_next(tmp_path, 3 if doomed == "older" else 2, {"try": 1})
    monkeypatch.undo()
    for path in checkpoint.complete(tmp_path):
        assert checkpoint.load(path)
    assert checkpoint.load(checkpoint.latest(tmp_path)) == {"try": 1}
    checkpoint.save_next(tmp_path, 2 if doomed == "same" else 4, {"try": 2})
    assert checkpoint.load(checkpoint.latest(tmp_path)) == {"try": 2}
