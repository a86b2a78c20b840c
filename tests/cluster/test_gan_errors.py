"""Bad input of the GAN commands: one clear line that names the mend, exit status 2, nothing written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import main
from cluster.cli.submit import describe
from tests.cluster.gan_helpers import TINY_GAN, copy_corners
from tests.cluster.records import refused


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory: whatever a command writes shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        ("gan", "no preset: use one of digits"),
        ("gan cats", "unknown preset 'cats': use one of digits"),
        ("gan-sweep cats", "unknown preset 'cats': use one of digits"),
        ("gan digits --data nowhere", "nowhere is neither a folder nor an npz"),
        ("gan digits --data game:nowhere", "no world is called 'nowhere'"),
        ("gan digits --data game:CartPole-v1", "shows no pictures: use an Atari game"),
        ("gan digits --images 0", "training.images"),
        ("gan digits --minutes 0", "minutes are above 0"),
        ("gan digits --seed -1", "seed is a number from 0"),
        ("gan digits --loss.kind cross", "cross"),
        ("gan digits --network.discriminator-norm batch", "use norm none or spectral"),
        ("gan digits --training.device cuda", "use cpu or auto"),
        ("gan digits --training.generator-rate 0", "a learning rate is above 0"),
        ("gan digits --lerning-rate 5", "--lerning-rate"),
        ("gan digits --resume --run-dir nothing", "nothing holds no run: give a directory that `quarterdeck gan` made"),
        ("gan-sweep digits --resume --run-dir nothing", "`quarterdeck gan-sweep` made"),
        ("gan-sweep digits --scheduler grid", "grid"),
        ("gan-sweep digits --trials 1", "--trials must be 2 or more"),
        ("gan-sweep digits --scheduler asha --trials 0", "--trials must be 1 or more"),
        ("gan-sweep digits --minutes 5", "leave --minutes out"),
        ("gan-sweep digits --rounds 0", "--rounds and --concurrent 1 or more"),
        ("gan-sweep digits --gpu 2", "a share lies in 0..1"),
        ("gan-sample", "Missing"),
        ("gan-sample nothing --out a.png", "name a folder that a run exported"),
        ("gan-sample nothing --out a.jpg", "name a FILE.png in a folder that exists"),
        ("gan-sample nothing --out no/a.png", "name a FILE.png in a folder that exists"),
        ("gan-sample nothing --out a.png --walk a.mp4", "name a FILE.gif"),
        ("gan-sample nothing --out a.png --seed -1", "use 0 to 2147483647"),
    ],
)
def test_what_cannot_be_is_refused(capsys: pytest.CaptureFixture[str], here: Path, arguments: str, mend: str) -> None:
    assert mend in refused(capsys, *arguments.split())
    assert list(here.iterdir()) == []


def test_labels_are_needed_for_classes(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    np.savez("plain.npz", x=np.zeros((99, 8, 8), np.uint8))
    assert "give labels, or leave it out" in refused(capsys, "gan", "digits", "--data", "plain.npz")
    assert [file.name for file in here.iterdir()] == ["plain.npz"]


def test_commands_know_each_others_runs(
    capsys: pytest.CaptureFixture[str], here: Path, catch_run: Path, corners: Path
) -> None:
    """A run of one command is not resumed, judged or overwritten by another."""
    copy_corners(corners, here)
    tiny = ["--data=corners.npz", *TINY_GAN, "--images=80"]
    assert main(["gan", "own", *tiny, "--run-dir=run"]) == 0
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    assert "already holds a run: add --resume" in refused(capsys, "gan", "own", *tiny, "--run-dir=run")
    assert "is a run of own: gan own resumes it" in refused(capsys, "gan", "digits", "--resume", "--run-dir=run")
    changed = ("--resume", "--run-dir=run", "--training.beta1=0.3")
    assert "change only --images and --minutes" in refused(capsys, "gan", "own", *changed)
    for command in (
        ["evaluate", "run"],
        ["watch", "run", "--out=a.mp4"],
        ["train", "pong", "--resume", "--run-dir=run"],
    ):
        assert "run is a run of `quarterdeck gan`" in refused(capsys, *command)
    for command in (["gan", "own"], ["gan-sweep", "own"]):
        said = refused(capsys, *command, "--resume", "--run-dir", str(catch_run))
        assert "is a run of `quarterdeck train`" in said
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


def test_a_diverged_training_is_one_line(capsys: pytest.CaptureFixture[str], here: Path, corners: Path) -> None:
    copy_corners(corners, here)
    arguments = ["--data=corners.npz", *TINY_GAN, "--run-dir=run", "--training.generator-rate=1e30"]
    assert "training diverged within" in refused(capsys, "gan", "own", *arguments, begun=True)


def test_gan_commands_are_jobs() -> None:
    """C31 of the other half: each is submitted under a name of its own, to a directory that all nodes see."""
    for command, prefix in (("gan", "gan-"), ("gan-sweep", "gan-sweep-")):
        given = [command, "digits", "--seed", "3", "--run-dir", "/shared/digits"]
        name, run, told = describe(given, None)
        assert (name, run) == (f"{prefix}digits-s3", given)
        assert told == {"command": command, "preset": "digits", "seed": "3", "run_dir": "/shared/digits"}
        _, run, _ = describe([command, "digits"], Path("/shared"))
        assert run[-1].startswith(f"/shared/{prefix}digits-s0-")
        with pytest.raises(ValueError, match="storage that all nodes share"):
            describe([command, "digits", "--run-dir", "here"], None)
        with pytest.raises(ValueError, match="unknown preset 'pong'"):
            describe([command, "pong"], Path("/shared"))
    sample = ["gan-sample", "/shared/digits", "--out", "/shared/a.png"]
    assert describe(sample, None) == ("gan-sample", sample, {"command": "gan-sample"})
