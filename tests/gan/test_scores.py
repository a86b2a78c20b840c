"""The judge's scores and its classifier: cached, reproducible, and independent of the generator."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan.data.images import Images, split
from gan.data.order import EpochSampler
from gan.evaluation import features
from gan.evaluation.features import Extractor, extractor_for
from gan.evaluation.metrics import frechet_distance
from gan.evaluation.scores import FLOOR_DRAWS, Judge, ScoreSettings
from tests.gan.conftest import corner_images


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def extractor(corners: Images, cache: Path) -> Extractor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "EPOCHS", 2)
        return extractor_for(corners, cache)


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "EPOCHS", 1)
    monkeypatch.setattr(features, "EPOCH_IMAGES", 256)


def test_the_classifier_is_right_and_kept(
    corners: Images, cache: Path, extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert extractor.accuracy > 0.95
    monkeypatch.setattr(features, "train_classifier", None)  # the second call trains nothing
    again = extractor_for(corners, cache)
    assert (again.hash, again.accuracy) == (extractor.hash, extractor.accuracy)
    np.testing.assert_array_equal(
        again.features(corners.report.images)[0], extractor.features(corners.report.images)[0]
    )


def test_the_classifier_follows_from_data_and_seed_alone(
    corners: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    before = torch.random.get_rng_state()
    first = extractor_for(corners, tmp_path / "a").hash
    assert extractor_for(corners, tmp_path / "b").hash == first
    assert extractor_for(corners, tmp_path / "b", seed=1).hash != first
    assert extractor_for(split("others", corner_images(400, seed=1)), tmp_path / "b").hash != first
    assert len(list((tmp_path / "b").iterdir())) == 3
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_damaged_classifier_is_made_again(corners: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    wanted = extractor_for(corners, tmp_path).hash
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert extractor_for(corners, tmp_path).hash == wanted
    assert [f.name for f in tmp_path.iterdir()] == [file.name]


def test_a_kept_classifier_is_as_readable_as_any_file(cache: Path, extractor: Extractor, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    assert [file.stat().st_mode for file in cache.iterdir()] == [(tmp_path / "plain").stat().st_mode]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_classifier_that_cannot_be_kept(
    corners: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Where the cache is not writable, the classifier is used without being kept; a full disk raises the OSError."""
    quick(monkeypatch)

    def fail(path: Path, content: bytes) -> int:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "write_bytes", fail)
    if code == errno.ENOSPC:
        with pytest.raises(OSError, match="No space left"):
            extractor_for(corners, tmp_path)
    else:
        assert extractor_for(corners, tmp_path).accuracy > 0
    assert list(tmp_path.iterdir()) == []


def test_images_without_labels_are_told_apart_by_flips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 40, (200, 8, 8, 3)).astype(np.uint8)
    images[:, :4, :4] = 250  # always the same corner, so flips can be recognised
    np.savez(tmp_path / "x.npz", x=images)
    from gan.data.images import DataSettings, load

    data = load(DataSettings(source=str(tmp_path / "x.npz")))
    monkeypatch.setattr(features, "EPOCHS", 1)
    extractor = extractor_for(data, tmp_path)
    assert extractor.accuracy > 0.9
    judge = Judge(data, extractor, ScoreSettings(samples=32), "report")
    assert judge.score(data.train.images[:32])["extractor_hash"] == extractor.hash


def test_held_out_images_alone_without_classes_say_no_accuracy(
    corners: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the held-out part has no labels (as for photographs), the scores have no classifier accuracy."""
    quick(monkeypatch)
    bare = replace(corners, select=replace(corners.select, labels=None))
    for data, known in ((corners, True), (bare, False), (bare, False)):  # the last one is read from the cache
        judge = Judge(data, extractor_for(data, tmp_path), ScoreSettings(samples=32), "select")
        assert ("extractor_accuracy" in judge.score(data.train.images[:32])) == known


def noise(count: int, shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(1).integers(0, 256, (count, *shape)).astype(np.uint8)


def test_scores_put_real_before_collapsed_before_noise(corners: Images, extractor: Extractor) -> None:
    judge = Judge(corners, extractor, ScoreSettings(samples=80), "report")
    real = judge.score(corners.train.images[-80:])
    one = judge.score(corners.train.images[:1].repeat(80, 0))
    bad = judge.score(noise(80, corners.shape))
    assert real["fd_clf"] < 3 * float(real["fd_floor"])
    assert real["fd_clf"] < one["fd_clf"]
    assert real["fd_clf"] < bad["fd_clf"]
    assert (real["classes"], one["classes"]) == (4, 1)
    assert float(one["class_kl"]) == pytest.approx(np.log(4), abs=0.05)
    assert float(real["precision"]) > 0.7
    assert float(real["recall"]) > 0.7
    assert float(one["recall"]) < 0.1
    assert float(real["nn_ratio"]) == pytest.approx(0, abs=1e-3)  # they are training images
    assert real["nn_ratio_pixels"] == 0
    assert float(bad["nn_ratio_pixels"]) > 1


def test_nothing_is_nearer_than_held_out_images_that_are_copies(corners: Images, extractor: Extractor) -> None:
    """Where held-out images are copies of training images, both nearest-neighbour ratios are 1 and scores finite."""
    copies = Images("copies", corners.train, corners.train.take(np.arange(40)), corners.report)
    judge = Judge(copies, extractor, ScoreSettings(samples=40), "select")
    for fake in (corners.train.images[:40], noise(40, corners.shape)):
        scores = judge.score(fake)
        assert (scores["nn_ratio"], scores["nn_ratio_pixels"]) == (1, 1)
        assert all(np.isfinite(float(value)) for name, value in scores.items() if name != "extractor_hash")


def test_every_score_carries_its_floor_count_and_extractor(corners: Images, extractor: Extractor) -> None:
    judge = Judge(corners, extractor, ScoreSettings(samples=1_000), "report")
    assert judge.count == len(corners.report) == 80
    scores = judge.score(corners.select.images[:40].repeat(2, 0))
    assert {"fd_clf", "kid_clf", "precision", "recall", "density", "coverage"} <= scores.keys()
    floors = {f"{s}_floor" for s in ("fd", "kid", "precision", "recall", "density", "coverage")}
    assert floors | {f"{floor}_std" for floor in floors} <= scores.keys()
    assert (scores["samples"], scores["extractor_hash"]) == (80, extractor.hash)
    with pytest.raises(ValueError, match="79 images given, the judge compares 80"):
        judge.score(corners.train.images[:79])


def test_a_floor_is_the_mean_over_draws_and_says_how_far_they_lie_apart(corners: Images, extractor: Extractor) -> None:
    """The floor is the mean over 30 draws of training images against held-out ones, with its standard deviation."""
    judge, twin = (Judge(corners, extractor, ScoreSettings(samples=40), "report") for _ in range(2))
    real = extractor.features(corners.report.images[:40])[0]
    draws = []
    for seed in range(FLOOR_DRAWS):
        index = EpochSampler(len(corners.train), seed).next(40)
        assert len(set(index.tolist())) == 40
        draws.append(frechet_distance(extractor.features(corners.train.take(index).images)[0], real))
    assert FLOOR_DRAWS == 30
    assert judge.floors["fd_floor"] == pytest.approx(np.mean(draws), rel=1e-4)
    assert judge.floors["fd_floor_std"] == pytest.approx(np.std(draws, ddof=1), rel=1e-3)
    assert judge.floors["fd_floor_std"] > 0
    assert judge.floors == twin.floors
    assert judge.floors.items() <= judge.score(corners.train.images[:40]).items()


def test_the_two_held_out_parts_are_two_judges(corners: Images, extractor: Extractor) -> None:
    fake = corners.train.images[:40]
    select, report = (Judge(corners, extractor, ScoreSettings(samples=40), part) for part in ("select", "report"))  # type: ignore[arg-type]
    assert select.score(fake)["fd_clf"] != report.score(fake)["fd_clf"]


def test_stacks_are_counted_in_modes(corners: Images, extractor: Extractor) -> None:
    """Stacks of two of four classes have 16 modes of 100; a generator that repeats one stack has one mode."""
    data = Images("stacks", corners.train, corners.select, corners.report, stack=2)
    judge = Judge(data, extractor, ScoreSettings(samples=200), "report")
    index = np.random.default_rng(3).integers(0, len(corners.train), (200, 2))
    real = judge.score(corners.train.take(index).images)
    one = judge.score(corners.train.take(index[:1].repeat(200, 0)).images)
    assert (real["modes"], real["modes_floor"], one["modes"]) == (16, 16, 1)
    assert float(one["mode_kl"]) == pytest.approx(np.log(100))
    assert float(real["mode_kl"]) == pytest.approx(float(real["mode_kl_floor"]), rel=0.2)
    assert real["fd_clf"] < one["fd_clf"]
