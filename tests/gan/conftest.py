"""Settings of the generative core's tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan.data.images import Images, RawImages, split
from gan.evaluation.features import Classifier

# Sums of floats depend on how many threads share them: one thread everywhere makes runs comparable bit for bit.
torch.set_num_threads(1)

CORNERS = ((0, 0), (0, 4), (4, 0), (4, 4))


def corner_images(count: int, seed: int = 0) -> RawImages:
    """8x8 pictures of a bright square in one of four corners, which is their class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CORNERS)
    images = rng.integers(0, 40, (count, 1, 8, 8))
    for image, label in zip(images, labels, strict=True):
        row, column = CORNERS[label]
        image[0, row : row + 4, column : column + 4] = rng.integers(180, 256)
    return RawImages(images.astype(np.uint8), labels.astype(np.int64))


@pytest.fixture(scope="session")
def corners() -> Images:
    """400 pictures of four kinds, split."""
    return split("corners", corner_images(400))


@pytest.fixture
def untrained_readers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Classifiers take seconds to train; initial ones read as well for what is compared. The seeds they had."""
    seeds: list[int] = []

    def made(data: Images, seed: int) -> tuple[Classifier, float]:
        seeds.append(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed + len(seeds) % 2)
            return Classifier(1, data.classes), 0.0

    monkeypatch.setattr("gan.cycle.semantic.train_classifier", made)
    return seeds
