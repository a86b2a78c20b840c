"""A damaged newest checkpoint: the older one is used with a one-line message, and no file is deleted."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.playback.frames_dataset import player_of
from cluster.cli.main import main
from cluster.fleet.loop import FleetLoop
from cluster.workloads import settings_of_run
from tests.cluster.gan_helpers import TINY_GAN, copy_corners
from tests.cluster.helpers import TIMEOUT, catch_settings, read_json, same_tree, tree
from tests.cluster.records import checked_summary, refused, saved
from training.storage import checkpoint
from training.storage.resume import resume
from training.storage.run_dir import RunDir


def truncated(file: Path) -> None:
    """Cut off the end of a file, like an interrupted copy."""
    file.write_bytes(file.read_bytes()[:-10])


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "truncated weights": lambda path: truncated(path / "arrays.safetensors"),
    "no state.json": lambda path: (path / "state.json").unlink(),
    "no replay": lambda path: shutil.rmtree(path / "replay-0"),
    "truncated replay": lambda path: truncated(path / "replay-0" / "0.lz4"),
}


@pytest.fixture(scope="module")
def twice_saved(catch_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with two checkpoints. Copy it before you change it."""
    run = Path(shutil.copytree(catch_run, tmp_path_factory.mktemp("twice") / "run"))
    assert main(["train", "atari", "--run-dir", str(run), "--resume", "--steps", "500"]) == 0
    assert len(checkpoint.complete(run / "checkpoints")) == 2
    return run


@pytest.fixture
def run(twice_saved: Path, tmp_path: Path) -> Path:
    """Return a copy of that run for one test."""
    return Path(shutil.copytree(twice_saved, tmp_path / "run"))


def one_line(capsys: pytest.CaptureFixture[str], *parts: str) -> None:
    """Check that stderr has exactly one `quarterdeck:` line and that it contains all `parts`."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("quarterdeck:")]
    assert len(lines) == 1
    assert all(part in lines[0] for part in parts), lines


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_run_goes_on_from_the_older_checkpoint(run: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    older, newest = checkpoint.complete(run / "checkpoints")
    DAMAGE[damage](newest)
    left, first = tree(newest), checkpoint.load(older, only="stats")["stats"]["agent_steps"]
    capsys.readouterr()
    assert main(["train", "atari", "--run-dir", str(run), "--resume", "--steps", str(first + 1)]) == 0
    one_line(capsys, str(newest), older.name, f"{newest.name}.1.damaged")
    assert tree(newest.with_name(f"{newest.name}.1.damaged")) == left, "what can be read of it is still there"
    summary = checked_summary(run, episodes=6)  # also checks that the curve has no overlap
    assert first < summary["agent_steps"] <= first + 2 * 16, "it went on from there"
    assert saved(run)["agent_steps"] == summary["agent_steps"]


def test_a_second_damaged_one_takes_no_place_of_the_first(tmp_path: Path) -> None:
    for content in (1, 2):
        checkpoint.save_next(tmp_path, 7, {"content": content})
        checkpoint.put_aside(tmp_path / "agent_steps-000000000007")
    kept = [checkpoint.load(tmp_path / f"agent_steps-000000000007.{number}.damaged") for number in (1, 2)]
    assert kept == [{"content": 1}, {"content": 2}]
    assert checkpoint.complete(tmp_path) == []


@pytest.mark.parametrize("damage", ["truncated weights", "no state.json"])
def test_who_only_reads_takes_the_older_one_and_changes_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    older, newest = checkpoint.complete(run / "checkpoints")
    DAMAGE[damage](newest)
    before = tree(run / "checkpoints")
    capsys.readouterr()
    for arguments in (["export", "--out", str(tmp_path / "out")], ["watch", "--out", str(tmp_path / "a.mp4")]):
        assert main([arguments[0], str(run), *arguments[1:]]) == 0
        one_line(capsys, str(newest), older.name)
    assert main(["evaluate", str(run), "--episodes", "2"]) == 0
    one_line(capsys, str(newest), older.name)
    (record,) = (read_json(file) for file in run.glob("evaluation-*.json"))
    assert record["checkpoint"] == str(older)
    assert record["agent_steps"] == checkpoint.load(older, only="stats")["stats"]["agent_steps"]
    assert player_of(str(run), settings_of_run).checkpoint == older.absolute()
    assert tree(run / "checkpoints") == before


def test_where_none_is_whole_everything_stays(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in checkpoint.complete(run / "checkpoints"):
        truncated(path / "arrays.safetensors")
    before = tree(run)
    said = refused(capsys, "train", "atari", "--run-dir", str(run), "--resume", "--steps", "900")
    assert "none is whole, start anew" in said
    assert all(str(path) in said for path in checkpoint.complete(run / "checkpoints"))
    assert tree(run) == before


def test_another_version_is_no_damage(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint of a newer format is refused without a fallback to the older one, and nothing changes."""
    file = checkpoint.latest(run / "checkpoints") / "state.json"
    record = {name: value for name, value in read_json(file).items() if name != "own_crc"} | {"format": 99}
    file.write_text(json.dumps({**record, "own_crc": zlib.crc32(json.dumps(record).encode())}))
    before = tree(run)
    said = refused(capsys, "train", "atari", "--run-dir", str(run), "--resume", "--steps", "900")
    assert "has format 99, this version reads 2: use that version" in said
    assert tree(run) == before


def test_a_table_is_judged_by_the_older_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "taxi"
    assert main(["train", "taxi", "--steps", "2000", "--report-every", "1000", "--run-dir", str(run)]) == 0
    (older,) = checkpoint.complete(run / "checkpoints")
    newest = Path(shutil.copytree(older, older.with_name("agent_steps-000000009999")))
    (newest / "state.json").unlink()
    capsys.readouterr()
    assert main(["evaluate", str(run), "--episodes", "3"]) == 0
    one_line(capsys, str(newest), older.name)


def test_a_gan_goes_on_from_the_older_checkpoint(
    corners: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = tmp_path / "run", copy_corners(corners, tmp_path)
    begin = ["train", "own", f"--data={data}", *TINY_GAN, "--run-dir", str(run), "--images", "160"]
    assert main(begin) == 0
    assert main(["train", "own", "--run-dir", str(run), "--resume", "--images", "320"]) == 0
    older, newest = checkpoint.complete(run / "checkpoints")
    truncated(newest / "arrays.safetensors")
    capsys.readouterr()
    assert main(["train", "own", "--run-dir", str(run), "--resume", "--images", "320"]) == 0
    one_line(capsys, str(newest), older.name, f"{newest.name}.1.damaged")
    assert [path.name for path in checkpoint.complete(run / "checkpoints")] == [older.name, newest.name]
    assert checkpoint.load(newest)["trainer"]["images"] == 320


@pytest.mark.ray
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("fleet", [{"runners": 1}, {"runners": 2, "shards": 2}, {"runners": 1, "learners": 1}])
@pytest.mark.usefixtures("ray_cluster")
def test_a_fleet_goes_on_from_the_older_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fleet: dict[str, int]
) -> None:
    """A fleet falls back to the older checkpoint when a part that a shard or learner reads is damaged."""
    run, directory = FleetLoop(catch_settings(**fleet)), RunDir(tmp_path)
    try:
        for _ in range(2):
            before = run.stats.updates
            while run.stats.updates == before:
                run.step()
            run.save(directory.checkpoints)
        older, newest = checkpoint.complete(directory.checkpoints)
        parts = sorted(newest.glob("replay-*"))
        truncated(parts[-1] / "0.lz4" if (parts[-1] / "0.lz4").exists() else parts[-1] / "arrays.safetensors")
        capsys.readouterr()
        assert resume(directory, run.load) == (older, None)
        one_line(capsys, str(newest / parts[-1].name), older.name)
        state, wanted = run.algo.get_state(), checkpoint.load(older)
        same_tree(state["learner"], wanted["learner"])
        assert state["stats"]["agent_steps"] == wanted["stats"]["agent_steps"]
        run.save(directory.checkpoints)
        for part in older.glob("replay-*"):
            same_tree(checkpoint.load(checkpoint.latest(directory.checkpoints) / part.name), checkpoint.load(part))
    finally:
        run.close()
