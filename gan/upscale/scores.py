"""The judge of enlarged images: against the true ones, and beside what the cubic kernel makes of small ones."""

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
    """Scores of enlarged images against one held-out part: error in dB, structure, sharpness, distance of features."""

    def __init__(self, settings: UpscaleSettings, data: Images, extractor: Extractor, part: Part) -> None:
        self.settings, self.data, self.extractor = settings, data, extractor
        self.truth = data.held_out(part).images[: settings.scores.samples]
        self.features = extractor.features(patches(self.frames(self.truth)))[0]
        self.small = lower(torch.from_numpy(self.truth), settings.frames)
        self.baseline = self.fidelity(enlarged(self.small, "bicubic").numpy())

    @property
    def count(self) -> int:
        """Images that it has small ones of."""
        return len(self.truth)

    def frames(self, images: Pixels) -> Pixels:
        """[N, C, T H, W] -> [N T', C, H, W]: of clips without the frames before which fewer than four were seen."""
        wanted = clips(torch.from_numpy(images), self.settings.frames)[:, skipped(self.settings.frames) :]
        return wanted.flatten(0, 1).numpy()

    def fidelity(self, found: Pixels) -> Scores:
        """Of images [N, C, T H, W] made from the small ones of the judge's own; a clip is one image to `psnr`."""
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
        """What the generator makes of the small images."""
        return upscaled(generator, self.small.numpy())

    def score(self, fake: Pixels) -> Scores:
        """Enlarged images [N, C, T H, W], N being `count`; the floor of a distance between pairs is 0.

        Raises:
            ValueError: another number of images.
        """
        if len(fake) != self.count:
            raise ValueError(f"{len(fake)} images given, the judge has small ones of {self.count}")
        beside: Scores = {f"{name.removesuffix('_clf')}_bicubic": value for name, value in self.baseline.items()}
        said: Scores = {"extractor_hash": self.extractor.hash, "samples": self.count}
        return {**self.fidelity(fake), "fd_floor": 0.0, **beside, **said}

    def reporting(self) -> UpscaleJudge:
        """The judge of the report part, by the same classifier."""
        return UpscaleJudge(self.settings, self.data, self.extractor, "report")


def patches(images: Pixels) -> Pixels:
    """[N, C, H, W] -> squares of 32 pixels [N n, C, 32, 32] that share none; smaller images as they are."""
    count, colours, height, width = images.shape
    rows, columns = height // PATCH, width // PATCH
    if not rows or not columns:
        return images
    inner = images[:, :, : rows * PATCH, : columns * PATCH].reshape(count, colours, rows, PATCH, columns, PATCH)
    return np.ascontiguousarray(inner.transpose(0, 2, 4, 1, 3, 5).reshape(-1, colours, PATCH, PATCH))


def extractor_of(settings: UpscaleSettings, data: Images, cache: Path) -> Extractor:
    """The classifier of the data's patches, of clips those of their first frames.

    Where held-out images have no classes, patches are told apart by their training image's class, such as the
    photograph they are of, or else by their place in the image; for its accuracy, every tenth image is held out whole.
    """
    train, select, report = (_first_patches(part, settings.frames) for part in (data.train, data.select, data.report))
    if data.select.labels is None:
        each = len(train) // len(data.train)  # patches an image
        tenth = np.arange(len(train)) // each % 10 == 0
        select = report = train.take(np.flatnonzero(tenth))
        train = train.take(np.flatnonzero(~tenth))
    return extractor_for(Images(data.name, train, select, report), cache)


def _first_patches(part: Split, frames: int) -> Split:
    found = patches(clips(torch.from_numpy(part.images), frames)[:, 0].contiguous().numpy())
    each = len(found) // len(part)
    places = np.tile(np.arange(each), len(part)) if each > 1 else None  # one patch an image: by how it is flipped
    return Split(found, places if part.labels is None else part.labels.repeat(each))
