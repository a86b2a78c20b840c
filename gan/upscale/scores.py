"""The scorer of enlarged images: compares with the true ones, and with bicubic upscaling as the baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gan.data.images import Images, Part, Pixels, Split
from gan.evaluation.features import Extractor, extractor_for
from gan.evaluation.metrics import frechet_distance
from gan.evaluation.scores import Scores
from gan.upscale.lowering import SCALE, clips, enlarged, lower, skipped
from gan.upscale.metrics import flicker, luma, psnr, slope, ssim
from gan.upscale.networks import Upscaler
from gan.upscale.pictures import upscaled
from gan.upscale.settings import UpscaleSettings

PATCH = 32  # side of the squares whose features are compared


class UpscaleJudge:
    """Scores enlarged images against a held-out part: PSNR, SSIM, sharpness, feature distance, and flicker of clips."""

    def __init__(self, settings: UpscaleSettings, data: Images, extractor: Extractor, part: Part) -> None:
        self.settings, self.data, self.extractor = settings, data, extractor
        self.truth = data.held_out(part).images[: settings.scores.samples]
        self.features = extractor.features(patches(self.frames(self.truth)))[0]
        self.small = lower(torch.from_numpy(self.truth), settings.frames)
        self.baseline = self.fidelity(enlarged(self.small, "bicubic").numpy())

    @property
    def count(self) -> int:
        """Number of images to score."""
        return len(self.truth)

    def frames(self, images: Pixels) -> Pixels:
        """Split [N, C, T H, W] -> [N T', C, H, W], of clips without the first three frames (`skipped`)."""
        wanted = clips(torch.from_numpy(images), self.settings.frames)[:, skipped(self.settings.frames) :]
        return wanted.flatten(0, 1).numpy()

    def fidelity(self, found: Pixels) -> Scores:
        """Return scores of enlargements [N, C, T H, W] of the small images; for `psnr`, a clip is one image."""
        a, b = (luma(self.frames(images), SCALE) for images in (found, self.truth))
        scores: Scores = {
            "psnr": float(psnr(a.reshape(self.count, -1, a.shape[2]), b.reshape(self.count, -1, b.shape[2])).mean()),
            "ssim": float(ssim(a, b).mean()),
            "sharpness": slope(a) / max(slope(b), 1e-12),
            "fd_clf": frechet_distance(self.extractor.features(patches(self.frames(found)))[0], self.features),
        }
        if self.settings.frames > 1:
            scores["flicker"] = flicker(*(y.reshape(self.count, -1, *y.shape[1:]) for y in (a, b)))
        return scores

    def answers(self, generator: Upscaler) -> Pixels:
        """Enlarge the small images by the generator."""
        return upscaled(generator, self.small.numpy())

    def score(self, fake: Pixels) -> Scores:
        """Return scores of enlarged images [N, C, T H, W] and the baseline's, N = `count`; `fd_floor` is 0 for pairs.

        Raises:
            ValueError: the number of images is not `count`.
        """
        if len(fake) != self.count:
            raise ValueError(f"{len(fake)} images given, the judge has small ones of {self.count}")
        beside: Scores = {f"{name.removesuffix('_clf')}_bicubic": value for name, value in self.baseline.items()}
        said: Scores = {"extractor_hash": self.extractor.hash, "samples": self.count}
        return {**self.fidelity(fake), "fd_floor": 0.0, **beside, **said}

    def reporting(self) -> UpscaleJudge:
        """Return the scorer of the report part, with the same classifier."""
        return UpscaleJudge(self.settings, self.data, self.extractor, "report")


def patches(images: Pixels) -> Pixels:
    """Cut [N, C, H, W] into disjoint squares of 32 pixels [N n, C, 32, 32]; smaller images stay whole."""
    count, colours, height, width = images.shape
    rows, columns = height // PATCH, width // PATCH
    if not rows or not columns:
        return images
    inner = images[:, :, : rows * PATCH, : columns * PATCH].reshape(count, colours, rows, PATCH, columns, PATCH)
    return np.ascontiguousarray(inner.transpose(0, 2, 4, 1, 3, 5).reshape(-1, colours, PATCH, PATCH))


def extractor_of(settings: UpscaleSettings, data: Images, cache: Path) -> Extractor:
    """Return the classifier of the data's patches; of clips, of the patches of first frames.

    Without classes of held-out images, the label of a patch is the class of its training image (its photograph), or
    else its place in the image; every tenth training image is then held out for the accuracy.
    """
    train, select, report = (_first_patches(part, settings.frames) for part in (data.train, data.select, data.report))
    if data.select.labels is None:
        each = len(train) // len(data.train)  # patches per image
        tenth = np.arange(len(train)) // each % 10 == 0
        select = report = train.take(np.flatnonzero(tenth))
        train = train.take(np.flatnonzero(~tenth))
    return extractor_for(Images(data.name, train, select, report), cache)


def _first_patches(part: Split, frames: int) -> Split:
    found = patches(clips(torch.from_numpy(part.images), frames)[:, 0].contiguous().numpy())
    each = len(found) // len(part)
    places = np.tile(np.arange(each), len(part)) if each > 1 else None  # with one patch per image, flips are classified
    return Split(found, places if part.labels is None else part.labels.repeat(each))
