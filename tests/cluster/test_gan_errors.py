"""Bad input of the GAN commands: one clear line that names the remedy, exit status 2, nothing written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import main
from cluster.cli.submit import describe
from cluster.gan_images import shared
from cluster.workloads import settings_of_run
from gan.data.images import DataSettings, load
from tests.cluster.gan_helpers import TINY_GAN, copy_corners
from tests.cluster.helpers import read_json, tree
from tests.cluster.records import refused
from tests.cluster.test_one_writer import record_of
from training.storage.files import write_json


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory: whatever a command writes shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ("train", "no preset: use one of pong"),
        ("train cats", "unknown preset 'cats': use one of pong"),
        ("sweep cats", "unknown preset 'cats': use one of pong"),
        ("train digits --data nowhere", "nowhere is neither a folder nor an npz"),
        ("train digits --data game:nowhere", "no environment is called 'nowhere'"),
        ("train digits --data game:CartPole-v1", "shows no pictures: use an Atari game"),
        ("train digits --images 0", "training.images"),
        ("train progressive --images 240000 --dry-run", "is whole after 240000: give more, 240001 at least, or lower"),
        ("sweep progressive --images 240000 --dry-run", "is whole after 240000: give more, 240001 at least, or lower"),
        ("train digits --minutes 0", "minutes are above 0"),
        ("train digits --seed -1", "seed is -1: use 0 to 2147483647"),
        ("train digits --loss.kind cross", "cross"),
        ("train digits --network.discriminator-norm batch", "use norm none or spectral"),
        ("train digits --training.device cuda", "use cpu or auto"),
        ("train digits --training.generator-rate 0", "a learning rate is above 0"),
        ("train digits --lerning-rate 5", "--lerning-rate"),
        (
            "train digits --resume --run-dir nothing",
            "give a directory that `quarterdeck train` made",
        ),
        ("sweep digits --resume --run-dir nothing", "`quarterdeck sweep` made"),
        ("sweep digits --scheduler grid", "grid"),
        ("sweep digits --scheduler pbt --trials 1", "--trials must be 2 or more"),
        ("sweep digits --scheduler asha --trials 0", "--trials must be 1 or more"),
        ("sweep digits --minutes 5", "a sweep ends by --images"),
        ("sweep digits --rounds 0", "--rounds and --concurrent 1 or more"),
        ("sweep digits --gpu 2", "a share lies in 0..1"),
        ("sample", "Missing"),
        ("sample nothing --out a.png", "name a folder that a run exported"),
        ("sample nothing --out a.jpg", "name a FILE.png in a folder that exists"),
        ("sample nothing --out no/a.png", "name a FILE.png in a folder that exists"),
        ("sample nothing --out a.png --walk a.mp4", "name a FILE.gif"),
        ("sample nothing --out a.png --directions a.gif", "name a FILE.png"),
        ("sample nothing --out a.png --seed -1", "use 0 to 2147483647"),
    ],
)
def test_what_cannot_be_is_refused(capsys: pytest.CaptureFixture[str], here: Path, arguments: str, remedy: str) -> None:
    assert remedy in refused(capsys, *arguments.split())
    assert list(here.iterdir()) == []


def test_labels_are_needed_for_classes(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    np.savez("plain.npz", x=np.zeros((99, 8, 8), np.uint8))
    remedy = "plain.npz has no classes: give labels, or use --network.no-conditional"
    assert remedy in refused(capsys, "train", "digits", "--data", "plain.npz")
    assert [file.name for file in here.iterdir()] == ["plain.npz"]


def test_commands_know_each_others_runs(
    capsys: pytest.CaptureFixture[str], here: Path, catch_run: Path, corners: Path
) -> None:
    """A run of one command is not resumed, judged or overwritten by another."""
    copy_corners(corners, here)
    tiny = ["--data=corners.npz", *TINY_GAN, "--images=80"]
    assert main(["train", "own", *tiny, "--run-dir=run"]) == 0
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    assert "already holds a run: add --resume" in refused(capsys, "train", "own", *tiny, "--run-dir=run")
    assert "is a run of own: train own resumes it" in refused(capsys, "train", "digits", "--resume", "--run-dir=run")
    changed = ("--resume", "--run-dir=run", "--training.beta1=0.3")
    assert "change only --minutes and --images" in refused(capsys, "train", "own", *changed)
    assert "this is one of own" in refused(capsys, "watch", "run", "--out=a.mp4")
    assert "this is one of own" in refused(capsys, "export", "run", "--out=policy")
    assert "run trained own, which plays no games" in refused(capsys, "report", "run")
    for words in (["--episodes=5"], ["--epsilon=0.0"], ["--episodes=5", "--protocol=machado"]):
        names = " and ".join(word.partition("=")[0] for word in words)
        said = refused(capsys, "evaluate", "run", *words)
        assert said == f"quarterdeck: run is judged without {names}, a run of gan: leave that out"
    said = refused(capsys, "sweep", "own", "--resume", "--run-dir", str(catch_run))
    assert "is a run of `quarterdeck train`" in said
    assert "is a run of atari" in refused(capsys, "train", "own", "--resume", "--run-dir", str(catch_run))
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


def other_corners(file: Path) -> None:
    """As many images as before, brighter."""
    with np.load(file) as archive:
        x, y = archive["x"], archive["y"]
    np.savez(file, x=x // 2 + 100, y=y)


def test_other_images_under_the_same_name_are_refused(
    capsys: pytest.CaptureFixture[str], here: Path, corners: Path
) -> None:
    """By whatever goes on with a run or judges it; with those it began with, and by older records, it goes on."""
    own = Path(copy_corners(corners, here))
    assert main(["train", "own", "--data=corners.npz", *TINY_GAN, "--images=80", "--run-dir=run"]) == 0
    kept = own.read_bytes()
    other_corners(own)
    before = tree(here)
    line = "run began with other images than corners.npz gives now"
    for words in (["train", "own", "--run-dir=run", "--resume", "--images=160"], ["evaluate", "run"]):
        said = refused(capsys, *words)
        assert line in said
        assert "bring those back, or begin a new run" in said
    assert tree(here) == before
    own.write_bytes(kept)
    assert main(["evaluate", "run"]) == 0
    record = read_json(here / "run" / "run.json")
    del record["data"]
    write_json(here / "run" / "run.json", record)
    assert main(["train", "own", "--run-dir=run", "--resume", "--images=160"]) == 0


def test_a_sweep_goes_on_with_its_own_images(
    capsys: pytest.CaptureFixture[str], here: Path, corners: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at before Ray is started."""
    monkeypatch.delattr("cluster.cli.sweep.ray_for_tune")
    own = Path(copy_corners(corners, here))
    record = record_of("sweep", "own")
    record["settings"]["data"]["source"] = "corners.npz"
    (here / "run").mkdir()
    write_json(here / "run" / "run.json", {**record, "data": load(DataSettings(source="corners.npz")).digest()})
    settings = settings_of_run(read_json(here / "run" / "run.json"))
    assert shared(settings, here / "run").digest == read_json(here / "run" / "run.json")["data"]
    other_corners(own)
    assert "run began with other images" in refused(capsys, "sweep", "own", "--run-dir=run", "--resume")


def test_a_diverged_training_is_one_line(capsys: pytest.CaptureFixture[str], here: Path, corners: Path) -> None:
    copy_corners(corners, here)
    arguments = ["--data=corners.npz", *TINY_GAN, "--run-dir=run", "--training.generator-rate=1e30"]
    assert "training diverged within" in refused(capsys, "train", "own", *arguments, begun=True)


@pytest.mark.parametrize(("old", "new"), [("gan", "train"), ("gan-sweep", "sweep"), ("gan-sample", "sample")])
def test_the_words_of_older_versions_are_answered_with_the_new_ones(
    capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    said = refused(capsys, old, "digits", "--run-dir", "a run")
    assert said == f"quarterdeck: {old} is now: quarterdeck {new} digits --run-dir 'a run'"


def test_gan_commands_are_jobs() -> None:
    """C31 of the other half: each is submitted under a name of its own, to a directory that all nodes see."""
    for command, prefix in (("train", ""), ("sweep", "sweep-")):
        given = [command, "digits", "--seed", "3", "--run-dir", "/shared/digits"]
        name, run, told = describe(given, None)
        assert (name, run) == (f"{prefix}digits-s3", given)
        assert told == {"command": command, "preset": "digits", "seed": "3", "run_dir": "/shared/digits"}
        _, run, _ = describe([command, "digits"], Path("/shared"))
        assert run[-1].startswith(f"/shared/{prefix}digits-s0-")
        with pytest.raises(ValueError, match="storage that all nodes share"):
            describe([command, "digits", "--run-dir", "here"], None)
        with pytest.raises(ValueError, match="unknown preset 'pang'"):
            describe([command, "pang"], Path("/shared"))
    sample = ["sample", "/shared/digits", "--out", "/shared/a.png"]
    assert describe(sample, None) == ("sample", sample, {"command": "sample"})
