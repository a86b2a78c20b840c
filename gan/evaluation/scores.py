"""The scorer: a classifier, a held-out set and a sample count; every score has the floor of real images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan.data.beside import over_each_other
from gan.data.images import Images, Part, Pixels, Split
from gan.data.order import EpochSampler
from gan.evaluation.features import Extractor
from gan.evaluation.metrics import (
    class_divergence,
    classes_of,
    confidence,
    consistency,
    density_coverage,
    frechet_distance,
    kernel_distance,
    nearest,
    precision_recall,
)
from training.settings import check_kinds

Scores = dict[str, float | int | str]
NEIGHBOURS = 1_000  # images per side for pairwise scores
FLOOR_DRAWS = 30  # draws from the training part; a single one often deviates by a fifth


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """Settings of scores."""

    samples: int = 1_000  # generated images, and as many real ones if there are enough
    every_images: int = 50_000  # training images between scorings; 0 scores at the end only

    def __post_init__(self) -> None:
        check_kinds(self, "scores")
        if self.samples < 32 or self.every_images < 0:
            raise ValueError("scores.samples must be 32 or more, scores.every_images 0 or more")


class Judge:
    """Scores generated images against a held-out part: "select" for selection, "report" for reports."""

    def __init__(
        self, data: Images, extractor: Extractor, settings: ScoreSettings, held_out: Part, most: int | None = None
    ) -> None:
        """`most` bounds the number of images to score, if it may be below `settings.samples`."""
        self.data, self.extractor, self.settings = data, extractor, settings
        self.stack, self.stock = data.stack, data.train
        self.singles = data.singles or data  # for comparisons of single images, never of canvases
        part = data.held_out(held_out)
        limits = settings.samples, len(part), len(data.train), *(() if most is None else (most,))
        self.count = settings.samples if data.stack > 1 else min(limits)
        self.real, probabilities = self._features(_some(part, self.count, data.stack), data.stack)
        self.class_count = 10**data.stack if data.stack > 1 else probabilities.shape[-1]
        # Predicted instead of true classes of real images, so that errors count on both sides.
        self.classes = self._classes(probabilities)
        self.stock_features, self.stock_probabilities = self._features(data.train.images, 1)
        if data.beside > 1:
            self.single_features = extractor.features(self.singles.train.images)[0]
            part = self.singles.held_out(held_out)
        else:
            self.single_features = self.stock_features
        self.held_out_nearest = self._nearest(part.images, extractor.features(part.images)[0])
        self.floors = self._floors()

    def reporting(self) -> Judge:
        """Return the scorer of the report part, with the same classifier."""
        return Judge(self.data, self.extractor, self.settings, "report")

    def _floors(self) -> Scores:
        """Return mean and standard deviation of the scores of training images, those of a perfect generator."""
        draws = [self._floor(draw) for draw in range(FLOOR_DRAWS)]
        floors: Scores = {}
        for name in draws[0]:
            values = [float(scores[name]) for scores in draws]
            floor = f"{name.removesuffix('_clf')}_floor"
            floors |= {floor: float(np.mean(values)), f"{floor}_std": float(np.std(values, ddof=1))}
        return floors

    def _floor(self, draw: int) -> Scores:
        index = EpochSampler(len(self.stock), seed=draw).next(self.count * self.stack).reshape(self.count, self.stack)
        features = self.stock_features[index].reshape(self.count, -1)
        probabilities = self.stock_probabilities[index].reshape(self.count, self.stack * self.data.beside, -1)
        return {**self._distances(features), **self._together(probabilities)}

    def score(self, fake: Pixels) -> Scores:
        """Return all scores of generated images uint8 [N, C, H, W], N = `count`, with floors and the extractor's hash.

        Raises:
            ValueError: the number of images differs, so that the floors would not apply.
        """
        if len(fake) != self.count:
            raise ValueError(f"{len(fake)} images given, the judge compares {self.count} with as many")
        features, probabilities = self._features(fake, self.stack)
        kl, covered = class_divergence(self._classes(probabilities), self.classes, self.class_count)
        stacks = over_each_other(fake, self.data.beside)  # copies are copies of single images
        singles = stacks.reshape(-1, *self.singles.train.images.shape[1:])
        scores: Scores = {
            **self._distances(features),
            **self._together(probabilities),
            "class_kl": kl,
            "classes": covered,
            "confidence": confidence(probabilities),
            **self._ratios(self._nearest(singles, features.reshape(len(singles), -1))),
        }
        extractor: Scores = {"extractor_hash": self.extractor.hash}
        if not np.isnan(self.extractor.accuracy):  # NaN is no JSON
            extractor["extractor_accuracy"] = self.extractor.accuracy
        return {**scores, **self.floors, **extractor, "samples": self.count}

    def _nearest(self, images: Pixels, features: NDArray[Any]) -> tuple[float, float]:
        """Return the median distances of single images to their nearest training image, by features and pixels."""
        few = slice(NEIGHBOURS)
        by_features = nearest(features[few], self.single_features)[0]
        by_pixels = nearest(_flat(images[few]), _flat(self.singles.train.images))[0]
        return float(np.median(by_features)), float(np.median(by_pixels))

    def _ratios(self, near: tuple[float, float]) -> Scores:
        """Return distances relative to those of held-out images; 1 if these are 0, since most are copies."""
        by_features, by_pixels = self.held_out_nearest
        if not by_pixels:
            by_features = 0.0  # features of equal images differ by rounding
        return {
            "nn_ratio": near[0] / by_features if by_features else 1.0,
            "nn_ratio_pixels": near[1] / by_pixels if by_pixels else 1.0,
        }

    def _distances(self, features: NDArray[Any]) -> Scores:
        few = slice(NEIGHBOURS)
        precision, recall = precision_recall(self.real[few], features[few])
        density, coverage = density_coverage(self.real[few], features[few])
        return {
            "fd_clf": frechet_distance(features, self.real),
            "kid_clf": kernel_distance(features[few], self.real[few]),
            "precision": precision,
            "recall": recall,
            "density": density,
            "coverage": coverage,
        }

    def _features(self, images: Pixels, stack: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return features [N, s 64] and probabilities [N, s, K] of the single images of each image."""
        return self.extractor.features(over_each_other(images, self.data.beside), stack * self.data.beside)

    def _classes(self, probabilities: NDArray[Any]) -> NDArray[np.int64]:
        """Return the classes of images or stacks; for canvases, of all their images."""
        return classes_of(probabilities.reshape(-1, self.stack, probabilities.shape[-1]))

    def _together(self, probabilities: NDArray[Any]) -> Scores:
        """Return scores of the combination of single images in stacks and canvases, from probabilities [N, s, K].

        For stacks: the number of modes and the KL to a uniform distribution, as in published tables.
        """
        if self.data.beside > 1:
            equal, by_chance = consistency(probabilities)
            return {"consistency": equal, "consistency_chance": by_chance}
        if self.stack == 1:
            return {}
        kl, modes = class_divergence(classes_of(probabilities), np.arange(self.class_count), self.class_count)
        return {"modes": modes, "mode_kl": kl}


def _some(part: Split, count: int, stack: int) -> Pixels:
    """Return the first `count` images of a part, which is in random order, or as many stacks."""
    index = EpochSampler(len(part), seed=0).next(count * stack).reshape(count, stack) if stack > 1 else np.arange(count)
    return part.take(index).images


def _flat(images: Pixels) -> Pixels:
    return images.reshape(len(images), -1)
