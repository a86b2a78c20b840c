"""An upscaler learns in seconds, as measured by its judge's scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gan.data.images import Images, Pixels, RawImages, split
from gan.upscale.lowering import enlarged, stacked
from gan.upscale.scores import UpscaleJudge
from gan.upscale.trainer import UpscaleTrainer
from tests.gan.test_upscale import edges, tiny


@pytest.fixture(scope="module")
def lines() -> Images:
    """Return 240 edge images of 16x16 pixels, split into parts."""
    return split("edges", RawImages(edges(240, 16)))


def moving(count: int, frames: int, seed: int = 0) -> Pixels:
    """Return clips [N, 3, T 16, 16] of a square of one colour that moves over a fixed pattern."""
    rng = np.random.default_rng(seed)
    found = np.repeat(rng.integers(0, 100, (count, 1, 3, 16, 16)), frames, 1)
    for clip in found:
        y, x, up, along = *rng.integers(0, 12, 2), *rng.integers(-1, 2, 2)
        for time, frame in enumerate(clip):
            top, left = (y + time * up) % 12, (x + time * along) % 12
            frame[:, top : top + 4, left : left + 4] = np.array([250, 200, 150])[:, None, None]
    return stacked(torch.from_numpy(found.astype(np.uint8))).numpy()


def test_edges_are_sharpened_and_all_of_it_is_judged(lines: Images) -> None:
    """Pixel loss alone beats bicubic scaling; true images get the best scores, and bicubic ones the baseline's."""
    settings = tiny(
        network__width=12, network__blocks=2, training__images=6_400, training__batch_size=16, crop=16,
        training__generator_rate=4e-3, training__beta1=0.9, training__decay_from=0.5, loss__adversarial=0.0,
    )  # fmt: skip
    trainer = UpscaleTrainer(settings, lines)
    trainer.train(400)
    judge = UpscaleJudge(settings, lines, FlatExtractor(), "report")  # type: ignore[arg-type]
    scores = judge.score(judge.answers(trainer.average))
    assert float(scores["psnr"]) > float(scores["psnr_bicubic"]) + 4
    assert float(scores["ssim"]) > float(scores["ssim_bicubic"])
    best = judge.score(lines.report.images)
    assert (best["psnr"], best["sharpness"]) == (100, 1)
    assert best["ssim"] == pytest.approx(1)
    assert best["fd_clf"] == pytest.approx(0, abs=1e-6)
    plain = judge.score(enlarged(judge.small, "bicubic").numpy())
    assert [plain[name] for name in ("psnr", "ssim", "sharpness", "fd_clf")] == [
        plain[f"{name}_bicubic"] for name in ("psnr", "ssim", "sharpness", "fd")
    ]
    with pytest.raises(ValueError, match="the judge has small ones of"):
        judge.score(lines.report.images[:3])


class FlatExtractor:
    """A feature extractor of pixel means."""

    hash = "none"

    def features(self, images: Pixels) -> tuple[Any, None]:
        """Return the means of the four quadrants as features."""
        count, colours, height, width = images.shape
        squares = images.reshape(count, colours, 2, height // 2, 2, width // 2).mean((1, 3, 5))
        return squares.reshape(count, 4), None


def test_four_frames_and_the_last_output_tell_more_than_one() -> None:
    clip = {"frames": 6, "crop": 16, "network__width": 12, "training__batch_size": 8, "training__images": 1_600}
    recipe = {"training__generator_rate": 4e-3, "training__beta1": 0.9, "training__decay_from": 0.5}
    found = {}
    data = split("moving", RawImages(moving(200, 6)))
    for seen in (1, 4):
        settings = tiny(**clip, **recipe, loss__adversarial=0.0, network__seen=seen, network__previous=seen == 4)
        trainer = UpscaleTrainer(settings, data)
        trainer.train(100)
        judge = UpscaleJudge(settings, data, FlatExtractor(), "report")  # type: ignore[arg-type]
        found[seen] = judge.score(judge.answers(trainer.average))
    assert float(found[4]["psnr"]) > float(found[1]["psnr"]) + 3
    assert float(found[4]["flicker"]) < float(found[1]["flicker"]) < float(found[1]["flicker_bicubic"])
