"""Closing pictures of a training's best generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gan.parts import Trainer, parts_of
from gan.samples.pictures import beside_nearest, walk
from gan.samples.sampling import sample
from training.run import Picture
from training.storage.files import gif, png

NEAREST = 16  # fakes shown with their nearest training image
LONGEST = 80  # maximum frames of an animation


def closing_pictures(trainer: Trainer, grids: Path) -> tuple[Picture, ...]:
    """Return samples, a walk, nearest real images, and an animation of the `grids` of training."""
    parts, generator, at = parts_of(trainer.settings), trainer.average, trainer.images
    found = [Picture("best", png(parts.grid(generator)), at, "Samples of the best generator.", "samples.png")]
    if generator.latent:
        found += from_noise(trainer)
    for name, (picture, about) in parts.pictures(generator).items():
        found.append(Picture(name, png(picture), at, about, f"{name}.png"))
    files = sorted(grids.glob("*.png"))
    if files:
        shown = [files[index] for index in np.unique(np.linspace(0, len(files) - 1, LONGEST).astype(int))]
        frames = [np.asarray(Image.open(file)) for file in shown]
        about = "Samples with fixed noise over training."
        found.append(Picture("training", gif(frames, scale=1), at, about, "training.gif"))
    return tuple(found)


def from_noise(trainer: Trainer) -> list[Picture]:
    """Return a walk, and samples with their nearest real images."""
    parts, generator, at, stack = parts_of(trainer.settings), trainer.average, trainer.images, trainer.data.stack
    fakes = sample(generator, NEAREST, seed=0)
    singles = fakes.reshape(NEAREST * stack, -1, *fakes.shape[2:])[:NEAREST]
    nearest = png(beside_nearest(singles, parts.stock(trainer.settings, trainer.data)))
    return [
        Picture("walk", gif(walk(generator)), at, "A closed walk through latent space.", "walk.gif"),
        Picture("nearest", nearest, at, "Samples above the training images nearest to them.", "nearest.png"),
    ]
