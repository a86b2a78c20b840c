"""Canaries: a tiny problem is learnt in seconds, and what ought to fail does."""

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
    """Which corner of each picture [N, 1, 8, 8] is bright; -1 where it is not exactly one."""
    bright = np.stack([images[:, 0, r : r + 4, c : c + 4].mean((1, 2)) > 120 for r, c in CORNERS], 1)
    return np.where(bright.sum(1) == 1, bright.argmax(1), -1)


@pytest.mark.parametrize("recipe", RECIPES)
def test_four_kinds_of_pictures_are_learnt(corners: Images, recipe: str) -> None:
    """At least nine of ten samples are one of the four kinds, and none is missing."""
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
    if trainer.settings.network.conditional:  # classes come in turn
        assert (found == np.arange(200) % 4).mean() > 0.9
