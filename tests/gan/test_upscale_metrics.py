"""Lowering, cutting and comparing images, compared with slow code."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gan.data.images import DataSettings, Images, Split, load
from gan.data.photos import REPORT, SELECT, TRAIN, photo, tiles
from gan.upscale.lowering import JITTER, clips, enlarged, lower, stacked
from gan.upscale.metrics import flicker, luma, psnr, slope, ssim
from gan.upscale.scores import extractor_of, patches
from gan.upscale.settings import UpscaleSettings

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("way", ["down", "up"])
def test_the_cubic_kernel_is_pillows(way: str) -> None:
    image = torch.from_numpy(RNG.integers(80, 176, (1, 3, 20, 24), dtype=np.uint8))  # Pillow clips twice
    found = lower(image, 1)[:, 0] if way == "down" else enlarged(image[:, None], "bicubic")
    size = (12, 10) if way == "down" else (48, 40)
    wanted = np.asarray(Image.fromarray(image[0].permute(1, 2, 0).numpy()).resize(size, Image.Resampling.BICUBIC))
    assert np.abs(found[0].permute(1, 2, 0).numpy().astype(int) - wanted).max() <= 1


def test_frames_are_sampled_at_one_place_after_the_other() -> None:
    images = torch.from_numpy(RNG.integers(0, 256, (2, 3, 6 * 8, 10), dtype=np.uint8))
    small = lower(images, 6)
    assert small.shape == (2, 6, 3, 4, 5)
    for time in range(6):
        row, column = JITTER[time % 4]
        for y in range(4):
            for x in range(5):
                assert torch.equal(small[:, time, :, y, x], images[:, :, 8 * time + 2 * y + row, 2 * x + column])
    assert torch.equal(stacked(clips(images, 6)), images)


def slow_ssim(a: Any, b: Any) -> float:
    """Return SSIM window by window, from the paper's equations 14 to 16 and 13."""
    window = [[math.exp(-((y - 5) ** 2 + (x - 5) ** 2) / (2 * 1.5**2)) for x in range(11)] for y in range(11)]
    weight = np.array(window) / np.sum(window)
    found = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            p, q = (image[top : top + 11, left : left + 11] for image in (a, b))
            mp, mq = (weight * p).sum(), (weight * q).sum()
            vp, vq = (weight * (p - mp) ** 2).sum(), (weight * (q - mq) ** 2).sum()
            cov = (weight * (p - mp) * (q - mq)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            found.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(found))


def test_metrics_agree_with_slow_code() -> None:
    truth = RNG.integers(0, 256, (2, 3, 18, 20), dtype=np.uint8)
    found = np.clip(truth + RNG.normal(0, 25, truth.shape), 0, 255).astype(np.uint8)
    a, b = luma(found, 2), luma(truth, 2)
    for row in range(2):
        for y, x in ((0, 0), (13, 15), (5, 9)):
            red, green, blue = (int(found[row, c, y + 2, x + 2]) for c in range(3))
            assert a[row, y, x] == pytest.approx(16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255)
        error = np.mean([(p - q) ** 2 for p, q in zip(a[row].flat, b[row].flat, strict=True)])
        assert psnr(a, b)[row] == pytest.approx(20 * math.log10(255) - 10 * math.log10(error))
        assert ssim(a, b)[row] == pytest.approx(slow_ssim(a[row], b[row]))
    assert psnr(a, a).tolist() == [100, 100]
    assert ssim(a, a).tolist() == pytest.approx([1, 1])
    lengths = [
        math.hypot(r[y + 1, x] - r[y, x], r[y, x + 1] - r[y, x]) for r in a for y in range(13) for x in range(15)
    ]
    assert slope(a) == pytest.approx(np.mean(lengths))
    gray = RNG.integers(0, 256, (1, 1, 4, 4), dtype=np.uint8)
    np.testing.assert_array_equal(luma(gray, 1), gray[:, 0, 1:3, 1:3])
    still, blinking = np.zeros((1, 3, 2)), np.array([[[0.0, 0], [4, 0], [0, 0]]])
    assert (flicker(still, still), flicker(blinking, still), flicker(blinking, blinking)) == (0, 2, 0)


def test_photographs_are_held_out_whole() -> None:
    names = [*TRAIN, *SELECT, *REPORT]
    assert len(set(names)) == len(names)
    picture = photo("chelsea.png")
    assert picture.shape == (3, 300, 451)
    cut = tiles(picture)
    assert cut.shape == (12, 3, 96, 96)
    for row in range(3):
        for column in range(4):
            top, left = (300 - 288) // 2 + 96 * row, (451 - 384) // 2 + 96 * column
            np.testing.assert_array_equal(cut[4 * row + column], picture[:, top : top + 96, left : left + 96])
    assert len(tiles(np.zeros((3, 1411, 1411), np.uint8))) == 64
    assert patches(cut).shape == (108, 3, 32, 32)
    np.testing.assert_array_equal(patches(cut)[13], cut[1, :, 32:64, 32:64])


def numbered(rows: int, columns: int) -> Images:
    """Return 20 images of `rows` x `columns` patches; each image is filled with its index."""
    images = np.ones((20, 1, 32 * rows, 32 * columns), np.uint8) * np.arange(20, dtype=np.uint8)[:, None, None, None]
    part = Split(images, None)
    return Images("numbered", part, part, part)


@pytest.fixture
def learned_from(monkeypatch: pytest.MonkeyPatch) -> Callable[[Images], Any]:
    """Return a function that gives the data on which the patch classifier would be trained and tested."""
    monkeypatch.setattr("gan.upscale.scores.extractor_for", lambda data, cache: data)
    return lambda data: extractor_of(UpscaleSettings(), data, Path())


@pytest.mark.parametrize(("rows", "columns"), [(5, 6), (2, 5), (1, 1)])
def test_a_tenth_of_the_images_is_held_out_whole(
    rows: int, columns: int, learned_from: Callable[[Images], Any]
) -> None:
    """Images 0 and 10 of 20 are held out with all their patches, so both parts have every place."""
    each, data = rows * columns, learned_from(numbered(rows, columns))
    assert data.select.images[:, 0, 0, 0].tolist() == [0] * each + [10] * each
    assert len(data.train) == 18 * each
    assert not {0, 10} & set(data.train.images.flat)
    if each > 1:
        assert set(data.train.labels) == set(data.select.labels) == set(range(each))


def test_every_photograph_is_learned_and_tried(learned_from: Callable[[Images], Any]) -> None:
    photos = load(DataSettings(source="photos"))
    data = learned_from(photos)
    assert len(data.train) + len(data.select) == 9 * len(photos.train)
    assert len(data.select) == 9 * math.ceil(len(photos.train) / 10)
    assert set(data.train.labels) == set(data.select.labels) == set(range(len(TRAIN)))
