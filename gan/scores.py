"""The judge: one classifier, one held-out set, one sample count; every score beside what real images would get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gan.data import Images, Order, Part, Pixels
from gan.features import Extractor
from gan.metrics import (
    class_divergence,
    classes_of,
    confidence,
    density_coverage,
    divergence_floor,
    frechet_distance,
    kernel_distance,
    memorisation_ratio,
    precision_recall,
)

Scores = dict[str, float | int | str]
NEIGHBOURS = 1_000  # images a side for the scores that compare each with each


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """How a generator is judged."""

    samples: int = 1_000  # generated images, and as many real ones where the held-out set has them
    every_images: int = 50_000  # training images between two judgements; 0 judges at the end only

    def __post_init__(self) -> None:
        if self.samples < 32 or self.every_images < 0:
            raise ValueError("scores.samples must be 32 or more, scores.every_images 0 or more")


class Judge:
    """Scores of generated images against one held-out part: select by "select", report with "report"."""

    def __init__(
        self, data: Images, extractor: Extractor, settings: ScoreSettings, held_out: Literal["select", "report"]
    ) -> None:
        self.extractor, self.stack = extractor, data.stack
        part: Part = getattr(data, held_out)
        self.count = settings.samples if data.stack > 1 else min(settings.samples, len(part), len(data.train))
        real, train = (_some(p, self.count, data.stack) for p in (part, data.train))
        self.real, chances = extractor.look(real.images, data.stack)
        self.train, self.train_chances = extractor.look(train.images, data.stack)
        self.stock = data.train if data.stack == 1 else train  # where copies would come from
        self.stock_features = self.train if data.stack > 1 else extractor.look(self.stock.images)[0]
        self.real_pixels = real.images
        # What the classifier says of real images, not what they are: its errors then count on both sides.
        self.classes = classes_of(chances)
        self.class_count = 10**data.stack if data.stack > 1 else chances.shape[-1]
        self.floors = self._floors()

    def _floors(self) -> Scores:
        """The scores of as many training images: what a perfect generator would get."""
        floors = {f"{name}_floor": value for name, value in self._distances(self.train).items()}
        return {"fd_floor": floors.pop("fd_clf_floor"), "kid_floor": floors.pop("kid_clf_floor"), **floors} | (
            self._modes(self.train_chances, "_floor") if self.stack > 1 else {}
        )

    def score(self, fake: Pixels) -> Scores:
        """All scores of generated images uint8 [N, C, H, W], N being `count`.

        Raises:
            ValueError: another number of images: the floors would not be theirs.
        """
        if len(fake) != self.count:
            raise ValueError(f"{len(fake)} images given, the judge compares {self.count} with as many")
        features, chances = self.extractor.look(fake, self.stack)
        found = classes_of(chances)
        kl, covered = class_divergence(found, self.classes, self.class_count)
        scores: Scores = {**self._distances(features), "class_kl": kl, "classes": covered}
        if self.stack > 1:
            scores |= self._modes(chances, "")
        few = slice(NEIGHBOURS)
        return {
            **scores,
            "confidence": confidence(chances),
            "nn_ratio": memorisation_ratio(features[few], self.real[few], self.stock_features),
            "nn_ratio_pixels": memorisation_ratio(
                _flat(fake[few]), _flat(self.real_pixels[few]), _flat(self.stock.images)
            ),
            **self.floors,
            "samples": self.count,
            "extractor_hash": self.extractor.hash,
            "extractor_accuracy": self.extractor.accuracy,
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

    def _modes(self, chances: NDArray[Any], ending: str) -> Scores:
        """Modes among all stacks, and the KL to equally likely ones, the published protocol's numbers."""
        even = np.arange(self.class_count)
        kl, modes = class_divergence(classes_of(chances), even, self.class_count)
        ideal = {} if ending else {"mode_kl_ideal": divergence_floor(self.class_count, self.count)}
        return {f"modes{ending}": modes, f"mode_kl{ending}": kl, **ideal}


def _some(part: Part, count: int, stack: int) -> Part:
    """The first `count` images of a part (parts are in random order), or as many stacks of them."""
    if stack == 1:
        return part.take(np.arange(count))
    return part.take(Order(len(part), seed=0).next(count * stack).reshape(count, stack))


def _flat(images: Pixels) -> NDArray[np.float64]:
    return images.reshape(len(images), -1).astype(np.float64)
