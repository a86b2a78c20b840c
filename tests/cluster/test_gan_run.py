"""A GAN training as a person does it: what a run leaves, how it goes on, how one draws with it."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2

from cluster.cli.main import main
from gan.run import GanRun
from tests.cluster.gan_helpers import TINY_GAN, trained
from tests.cluster.helpers import read_json, same_tree, tree
from tests.cluster.records import scalars
from training.storage import checkpoint

SCORES = {
    *("fd_clf", "fd_floor", "fd_floor_std", "kid_clf", "precision", "recall", "density", "coverage", "nn_ratio"),
    "extractor_hash",
}
SUMMARY = {"images", "seconds", "seed", "commit", "hardware", "checkpoint", "best_images", "select_fd_clf", "eval"}


def train(run: Path, data: Path, *more: str) -> int:
    """`quarterdeck train own` on the corners."""
    return main(["train", "own", f"--data={data}", *TINY_GAN, "--run-dir", str(run), *more])


@pytest.fixture(scope="module")
def finished(corners: Path) -> Path:
    """A finished run of 640 images. Copy it before you change it."""
    run = corners.parent / "finished"
    assert train(run, corners, "--images", "640", "--seed", "3") == 0
    return run


def test_a_run_leaves_what_it_should(finished: Path) -> None:
    summary = read_json(finished / "summary.json")
    assert summary.keys() >= SUMMARY
    assert summary["eval"].keys() >= SCORES
    assert (summary["images"], summary["seed"], summary["eval"]["samples"]) == (640, 3, 32)
    assert 0 < summary["seconds"] <= summary["seconds_with_evaluation"]
    assert summary["best_images"] in range(160, 641, 160)
    record = read_json(finished / "run.json")
    assert (record["workload"], record["settings"]["training"]["images"]) == ("gan", 640)
    for name in ("samples.png", "nearest.png", "walk.gif", "training.gif", "curve.png"):
        with Image.open(finished / name) as picture:
            assert min(picture.size) > 10
            assert (getattr(picture, "n_frames", 1) > 1) == name.endswith(".gif")
    assert [int(file.stem) for file in sorted((finished / "pictures").iterdir())] == [160, 320, 480, 640]
    with (finished / "curve.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [int(row["images"]) for row in rows] == [160, 320, 480, 640], "a row for each judgement"
    assert all(float(row["fd_floor_std"]) > 0 for row in rows), "how far the floor's draws lie apart"
    assert min(float(row["fd_clf"]) for row in rows) == pytest.approx(summary["select_fd_clf"])
    assert not list(finished.rglob("*.part*"))


def test_tensorboard_shows_scores_and_pictures_over_images(finished: Path) -> None:
    shown = scalars(finished)
    assert [step for step, _ in shown["select/fd_clf"]] == [160, 320, 480, 640]
    assert shown.keys() >= {"training/discriminator_loss", "training/generator_loss", "select/recall", "report/fd_clf"}
    events = EventAccumulator(str(finished / "tensorboard"), {"tensors": 0})
    events.Reload()
    assert set(events.Tags()["tensors"]) >= {"samples", "best", "walk", "nearest", "training"}
    assert [event.step for event in events.Tensors("samples")] == [160, 320, 480, 640]
    assert events.Tensors("walk")[0].tensor_proto.string_val[2].startswith(b"GIF89a")
    assert any("hparams" in tag for tag in events.summary_metadata)
    (event,) = events.Tensors("custom_scalars__config__")[-1:]
    overview = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    charted = {tag for category in overview.category for chart in category.chart for tag in chart.multiline.tag}
    assert {"select/fd_clf", "training/generator_loss"} <= charted <= shown.keys()


def test_the_best_by_the_select_part_is_reported_on_the_report_part(finished: Path) -> None:
    best = checkpoint.load(checkpoint.latest(finished / "checkpoints"))["best"]
    summary, card = read_json(finished / "summary.json"), read_json(finished / "generator" / "generator.json")
    assert best["fd_clf"] == summary["select_fd_clf"] != summary["eval"]["fd_clf"]
    assert card["scores"]["part"] == "report"
    assert card["scores"]["fd_clf"] == summary["eval"]["fd_clf"]
    assert card["images"] == best["images"] == summary["best_images"]


def test_the_generator_is_loaded_in_three_lines_without_ray(finished: Path, tmp_path: Path) -> None:
    """The lines of the documentation, in a process of their own."""
    program = f"""
from gan.export import load_generator
generator = load_generator({str(finished / "generator")!r})
images = generator.sample(64, seed=0)

import sys
assert "ray" not in sys.modules
import numpy
numpy.save({str(tmp_path / "images.npy")!r}, images)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0
    images = np.load(tmp_path / "images.npy")
    assert (images.shape, images.dtype) == ((64, 1, 8, 8), np.uint8)
    assert images.std() > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on_bit_for_bit(
    finished: Path,
    corners: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    """Ctrl-C saves; what --resume ends with is what an undisturbed run ends with, to the last bit."""
    run, whole = corners.parent / f"interrupted-{number.name}", GanRun.train

    def disturbed(self: GanRun, images: int) -> dict[str, float]:
        losses = whole(self, images)
        if self.images >= 240:
            signal.raise_signal(number)
        return losses

    with monkeypatch.context() as patch:
        patch.setattr("gan.run.CHUNK", 5)
        patch.setattr(GanRun, "train", disturbed)
        assert train(run, corners, "--images", "640", "--seed", "3") == 0
    assert capsys.readouterr().out == f"saved; resume with: quarterdeck train own --run-dir {run} --resume\n"
    assert trained(run)["trainer"]["images"] == 240
    assert read_json(run / "summary.json")["eval"] is None
    assert main(["train", "own", "--run-dir", str(run), "--resume"]) == 0
    same_tree(trained(run), trained(finished))
    summary, other = read_json(run / "summary.json"), read_json(finished / "summary.json")
    assert summary["eval"] == other["eval"]
    assert summary["best_images"] == other["best_images"]
    assert (run / "samples.png").read_bytes() == (finished / "samples.png").read_bytes()


def test_a_finished_run_trains_on(finished: Path, corners: Path) -> None:
    """What a killed process left beyond the checkpoint is dropped, and --images may be raised."""
    run = Path(shutil.copytree(finished, corners.parent / "longer"))
    with (run / "curve.csv").open("a") as table:
        table.write("9.0,99999,1.0,1.0,1,1,1,1,1,1\r\n9.1,99")
    shutil.copy(run / "pictures" / "000000000160.png", run / "pictures" / "000000099999.png")
    (run / "pictures" / "000000000800.part.png").write_bytes(b"half")
    assert main(["train", "own", "--run-dir", str(run), "--resume", "--images", "960"]) == 0
    assert read_json(run / "summary.json")["images"] == 960
    assert [int(file.stem) for file in sorted((run / "pictures").iterdir())] == list(range(160, 961, 160))
    steps = [step for step, _ in scalars(run)["select/fd_clf"]]
    assert steps == sorted(set(steps))
    assert steps[-1] == 960


def test_minutes_end_a_run(corners: Path) -> None:
    run = corners.parent / "short"
    assert train(run, corners, "--minutes", "0.0001") == 0
    summary = read_json(run / "summary.json")
    assert summary["images"] == 0
    assert summary["eval"]["fd_clf"] > 0


def test_samples_and_walk(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same seed gives the same grid."""
    one, other, walk = tmp_path / "one.png", tmp_path / "other.png", tmp_path / "walk.gif"
    assert main(["sample", str(finished), "--out", str(one), "--walk", str(walk), "--seed", "4"]) == 0
    assert capsys.readouterr().out == f"{one} and {walk}\n"
    assert main(["sample", str(finished), "--out", str(other), "--seed", "4"]) == 0
    assert one.read_bytes() == other.read_bytes()
    assert main(["sample", str(finished), "--out", str(other), "--seed", "5"]) == 0
    assert one.read_bytes() != other.read_bytes()
    with Image.open(walk) as animation:
        assert getattr(animation, "n_frames", 1) > 10
    assert tree(tmp_path).keys() == {"one.png", "other.png", "walk.gif"}


def test_directions_are_drawn_and_told(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The generator is told no class, so the latent vector holds them; the same seed finds the same."""
    grid, picture, found = (tmp_path / name for name in ("grid.png", "walks.png", "walks.json"))
    command = ["sample", str(finished), "--out", str(grid), "--directions", str(picture)]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{grid} and {picture} and {found}\n"
    first = read_json(found)
    assert first["space"] == "z"
    assert first["attributes"].keys() == {"stroke width", "slant", *(f"class {index}" for index in range(4))}
    for name, each in first["attributes"].items():
        assert each["correlation"].keys() == first["attributes"].keys(), name
        assert all(abs(value) <= 1 for value in each["correlation"].values())
    assert main(command) == 0
    assert read_json(found) == first
    assert tree(tmp_path).keys() == {"grid.png", "walks.png", "walks.json"}


def test_dry_run_tells_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("train", "sweep"):
        assert main([command, "digits", "--dry-run", "--seed", "7", "--images", "99", "--data", "fashion"]) == 0
        told = json.loads(capsys.readouterr().out)["settings"]
        assert (told["seed"], told["training"]["images"], told["data"]["source"]) == (7, 99, "fashion")
    assert list(tmp_path.iterdir()) == []
    recipe = tmp_path / "short.toml"
    recipe.write_text("growth.stable_images = 100\ngrowth.fade_images = 100\n")
    assert main(["train", "progressive", f"--settings={recipe}", "--images=500", "--dry-run"]) == 0


def test_a_run_is_judged_again(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`evaluate` scores the best generator of the newest checkpoint on the report part, as the closing scores did."""
    assert main(["evaluate", str(finished), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    closing = read_json(finished / "summary.json")["eval"]
    assert {name: result[name] for name in closing} == closing
    assert read_json(finished / "evaluation-report.json") == result
