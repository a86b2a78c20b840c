"""Fixtures of the GAN tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan.data.images import Images, RawImages, split
from gan.evaluation.features import Classifier

# Float sums depend on the number of threads: with one thread everywhere, runs are comparable bit for bit.
torch.set_num_threads(1)

CORNERS = ((0, 0), (0, 4), (4, 0), (4, 4))


def corner_images(count: int, seed: int = 0) -> RawImages:
    """Return 8x8 images of a bright square in one of four corners; the corner is the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CORNERS)
    images = rng.integers(0, 40, (count, 1, 8, 8))
    for image, label in zip(images, labels, strict=True):
        row, column = CORNERS[label]
        image[0, row : row + 4, column : column + 4] = rng.integers(180, 256)
    return RawImages(images.astype(np.uint8), labels.astype(np.int64))


@pytest.fixture(scope="session")
def corners() -> Images:
    """Return 400 corner images of four classes, split into parts."""
    return split("corners", corner_images(400))


@pytest.fixture
def untrained_readers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Use untrained classifiers in `gan.cycle.semantic`, to save time; return the list of the seeds requested."""
    seeds: list[int] = []

    def made(data: Images, seed: int) -> tuple[Classifier, float]:
        seeds.append(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed + len(seeds) % 2)
            return Classifier(1, data.classes), 0.0

    monkeypatch.setattr("gan.cycle.semantic.train_classifier", made)
    return seeds
