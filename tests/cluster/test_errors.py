"""Bad input: one line that names the remedy, exit status 2, and no file written or changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.cli.main import main
from tests.cluster.helpers import TINY_CATCH, run_command, tree
from tests.cluster.records import refused


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory, in which files written by a command are visible."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(catch_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished run."""
    return Path(shutil.copytree(catch_run, tmp_path / "run"))


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ("fly", "use one of train, evaluate, watch"),
        ("train", "use one of pong, quarterdeck, atari, cartpole, catch, dqn2013"),
        ("train chess", "unknown preset 'chess': use one of pong"),
        ("train pong --env ALE/Pongg-v5", "did you mean ALE/Pong-v5"),
        ("train atari --env nowhere", "no environment is called 'nowhere'"),
        ("train cartpole --sticky 0.25", "leave sticky and the other Atari rules alone"),
        ("train pong --env CartPole-v1", "use mlp"),
        ("train cartpole --env pong", "use dqn2013, dqn2015, stem or impala"),
        ("train cartpole --env FrozenLake-v1", "train taxi --env NAME"),
        ("train pong --replay.capasity 5", "--replay.capa"),
        ("train pong --steps many", "many"),
        ("train pong --steps 0", "steps must be 1 or more"),
        ("train pong --minutes 0", "minutes above 0"),
        ("train pong --seed -1", "use 0 to 2147483647"),
        ("train pong --learner.gamma 1.5", "a discount lies in 0..1"),
        ("train pong --learner.learning-rate 0", "must be above 0"),
        ("train pong --replay.n-step 99", "use 1 to 32"),
        ("train pong --replay.samples-per-insert 0", "use a ratio above 0"),
        ("train pong --replay.learning-starts 900000", "between 0 and replay.capacity"),
        ("train pong --replay.capacity 2000 --replay.learning-starts 100 --fleet.envs-per-runner 500", "fewer envs"),
        ("train pong --replay.capacity 2000 --replay.learning-starts 100 --fleet.chunk-steps 90", "shorter chunks"),
        ("train pong --fleet.runners 0", "use 1 or more"),
        ("train pong --fleet.shards 5", "use 0 (replay in the learner) to 1 (runners)"),
        ("train pong --network.stack 0", "at least 1 frame"),
        ("train pong --learner.device cuda", "use cpu or auto"),
        ("train pong --evaluation.episodes 0", "must be 1 or more"),
        ("train pong --replay.capacity 1000000000", "GiB are free: lower --replay.capacity"),
        ("train pong --resume --run-dir nothing", "nothing holds no run"),
        ("train taxi --env CartPole-v1", "Taxi-v3"),
        ("train taxi --learning-rate 2", "at most 1"),
        ("evaluate", "Missing from quarterdeck evaluate: PATH run-dir (required)"),
        ("evaluate nothing", "nothing holds no run"),
        ("watch nothing --out a.mp4", "nothing holds no run"),
    ],
)
def test_what_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], here: Path, arguments: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert remedy in refused(capsys, *arguments.split())
    assert list(here.iterdir()) == []


def test_the_shell_sees_the_status_and_the_line() -> None:
    done = run_command("train", "chess")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("quarterdeck: unknown preset 'chess'")
    assert done.stderr.count("\n") == 1


def test_whatever_breaks_outside_of_us_is_one_line(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk and Ctrl-C each end a command with one line, without a traceback."""

    def fail(error: BaseException) -> Callable[[list[str]], int]:
        def command(_: list[str]) -> int:
            raise error

        return command

    monkeypatch.setattr("cluster.cli.evaluate.evaluate", fail(OSError(28, "No space left on device", "curve.csv")))
    assert "No space left on device: 'curve.csv'" in refused(capsys, "evaluate", "run")
    monkeypatch.setattr("cluster.cli.evaluate.evaluate", fail(KeyboardInterrupt()))
    assert main(["evaluate", "run"]) == 130
    assert capsys.readouterr().err == "quarterdeck: interrupted\n"


@pytest.mark.parametrize("preset", ["cartpole", "taxi"])
def test_a_run_directory_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, preset: str
) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file" / "run", Path("/proc/run")):
        assert "name another --run-dir" in refused(capsys, "train", preset, "--run-dir", str(path))
    assert tree(tmp_path) == {"file": b"mine"}


@pytest.mark.parametrize("preset", ["cartpole", "taxi"])
def test_somebody_elses_directory_is_left_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, preset: str
) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"speed": 4}')
    before = tree(tmp_path)
    for path in (tmp_path, tmp_path / "thesis.tex", tmp_path / "run"):
        assert "name another --run-dir" in refused(capsys, "train", preset, "--run-dir", str(path))
    for path in (tmp_path, tmp_path / "run"):
        assert "holds no run" in refused(capsys, "train", "cartpole", "--run-dir", str(path), "--resume")
        assert "holds no run" in refused(capsys, "evaluate", str(path))
        assert "holds no run" in refused(capsys, "watch", str(path), "--out", str(tmp_path / "a.mp4"))
    assert tree(tmp_path) == before


def test_a_run_is_never_overwritten(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    before = tree(run)
    said = refused(capsys, "train", "atari", *TINY_CATCH, "--run-dir", str(run))
    assert "add --resume to go on with it, or name another --run-dir" in said
    assert "train atari resumes it" in refused(capsys, "train", "cartpole", "--run-dir", str(run), "--resume")
    for changed in (("--seed", "5"), ("--learner.learning-rate", "0.1"), ("--env", "pong")):
        said = refused(capsys, "train", "atari", "--run-dir", str(run), "--resume", *changed)
        assert "change only --steps, --minutes and --score" in said
    assert tree(run) == before


def flip(file: Path) -> None:
    """Flip one bit in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "truncated": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "flipped": flip,
    "missing": lambda file: file.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["arrays.safetensors", "state.json", "replay-0/state.json", "replay-0/0.lz4"])
def test_c28_a_damaged_checkpoint_is_refused(
    capsys: pytest.CaptureFixture[str], run: Path, name: str, damage: str
) -> None:
    """C28: commands refuse a checkpoint with a damaged or missing file, and leave the run directory unchanged."""
    (saved,) = (run / "checkpoints").iterdir()
    DAMAGE[damage](saved / name)
    before = tree(run)
    commands = [("train", "atari", "--run-dir", str(run), "--resume", "--steps", "500")]
    if not name.startswith("replay"):
        commands += [("evaluate", str(run)), ("watch", str(run), "--out", str(run / "a.mp4"))]
    for arguments in commands:
        said = refused(capsys, *arguments)
        assert str(saved) in said
        assert "resume from an older one" in said or "give a run that train has saved" in said
    assert tree(run) == before


def test_a_checkpoint_of_another_network_is_refused(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    record["settings"]["network"]["kind"] = "dqn2015"
    (run / "run.json").write_text(json.dumps(record))
    before = tree(run)
    assert "does not fit" in refused(capsys, "evaluate", str(run))
    assert "use the settings the run was started with" in refused(
        capsys, "train", "atari", "--run-dir", str(run), "--resume", "--steps", "500"
    )
    assert tree(run) == before


def test_settings_of_another_version_are_refused(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    record["settings"]["replay"]["colour"] = "blue"
    (run / "run.json").write_text(json.dumps(record))
    assert "unknown settings ['colour']" in refused(capsys, "evaluate", str(run))


@pytest.mark.parametrize(
    ("out", "remedy"),
    [
        ("a.avi", "name it FILE.mp4"),
        ("a", "name it FILE.mp4"),
        ("folder.mp4", "name it FILE.mp4"),
        ("nowhere/a.mp4", "name another --out"),
        ("file/a.mp4", "name another --out"),
        ("/proc/a.mp4", "name another --out"),
    ],
)
def test_a_video_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], catch_run: Path, here: Path, out: str, remedy: str
) -> None:
    (here / "file").write_text("mine")
    (here / "folder.mp4").mkdir()
    assert remedy in refused(capsys, "watch", str(catch_run), "--out", out)
    assert tree(here) == {"file": b"mine"}


@pytest.mark.parametrize("episodes", ["0", "-4"])
def test_an_evaluation_without_games(capsys: pytest.CaptureFixture[str], catch_run: Path, episodes: str) -> None:
    before = tree(catch_run)
    assert "1 or more" in refused(capsys, "evaluate", str(catch_run), "--episodes", episodes)
    assert tree(catch_run) == before
