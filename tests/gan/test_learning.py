"""Learning test: tiny GANs learn four classes of images in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gan.data.images import Images
from gan.samples.sampling import sample
from gan.standard.trainer import Trainer
from tests.gan.conftest import CORNERS
from tests.gan.small import tiny

RECIPES: dict[str, dict[str, Any]] = {
    "mlp": {"network__kind": "mlp", "network__generator_width": 64, "network__discriminator_width": 64},
    "dcgan, conditional": {"network__conditional": True},
}


def corner_of(images: Any) -> Any:
    """Return the index of the bright corner of each image [N, 1, 8, 8], or -1 where not exactly one is bright."""
    bright = np.stack([images[:, 0, r : r + 4, c : c + 4].mean((1, 2)) > 120 for r, c in CORNERS], 1)
    return np.where(bright.sum(1) == 1, bright.argmax(1), -1)


@pytest.mark.parametrize("recipe", RECIPES)
def test_four_kinds_of_pictures_are_learnt(corners: Images, recipe: str) -> None:
    """At least 90% of samples are in one of the four classes, and each class has at least 10% of the samples."""
    values = {
        "network__generator_width": 16,
        "network__discriminator_width": 16,
        "training__batch_size": 32,
        "training__generator_rate": 2e-3,
        "training__discriminator_rate": 2e-3,
        "training__average_images": 2_000,
        "loss__weight": 0.1,
    }
    trainer = Trainer(tiny(**{**values, **RECIPES[recipe]}), corners)
    trainer.train(600)
    found = corner_of(sample(trainer.average, 200, seed=9))
    counts = np.bincount(found[found >= 0], minlength=4)
    assert (corner_of(corners.train.images) >= 0).all()
    assert counts.sum() >= 180
    assert counts.min() >= 20
    if trainer.settings.network.conditional:  # samples cycle through the classes
        assert (found == np.arange(200) % 4).mean() > 0.9
