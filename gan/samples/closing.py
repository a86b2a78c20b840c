"""The last pictures of a training's best generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gan.parts import Trainer, parts_of
from gan.samples.attention import attention_picture
from gan.samples.pictures import beside_nearest, walk
from gan.samples.sampling import sample
from training.run import Picture
from training.storage.files import gif, png

NEAREST = 16  # fakes that are shown with their nearest training image
LONGEST = 80  # pictures of an animation


def closing_pictures(trainer: Trainer, grids: Path) -> tuple[Picture, ...]:
    """Samples, a walk, the real images nearest to some, and training as an animation of the `grids` in a folder."""
    parts, generator, at, stack = parts_of(trainer.settings), trainer.average, trainer.images, trainer.data.stack
    fakes = sample(generator, NEAREST, seed=0)
    singles = fakes.reshape(NEAREST * stack, -1, *fakes.shape[2:])[:NEAREST]
    nearest = png(beside_nearest(singles, parts.stock(trainer.settings, trainer.data)))
    found = [
        Picture("best", png(parts.grid(generator)), at, "Samples of the best generator.", "samples.png"),
        Picture("walk", gif(walk(generator)), at, "A closed walk through latent space.", "walk.gif"),
        Picture("nearest", nearest, at, "Samples above the training images nearest to them.", "nearest.png"),
    ]
    looked = attention_picture(generator)
    if looked is not None:
        about = "Samples; for bright places of each, in red, where they look while it is drawn."
        found.append(Picture("attention", png(looked), at, about, "attention.png"))
    files = sorted(grids.glob("*.png"))
    if files:
        shown = [files[index] for index in np.unique(np.linspace(0, len(files) - 1, LONGEST).astype(int))]
        frames = [np.asarray(Image.open(file)) for file in shown]
        about = "Samples on the same noise while training went on."
        found.append(Picture("training", gif(frames, scale=1), at, about, "training.gif"))
    return tuple(found)
