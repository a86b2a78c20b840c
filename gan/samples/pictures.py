"""Pictures of samples: grids, walks in latent space, and fakes with their nearest real images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.data.images import Pixels
from gan.evaluation.metrics import nearest
from gan.parts import Generator
from gan.samples import sampling

GAP = 1  # pixels between images
BACKGROUND = 96


def coloured(images: Pixels) -> Pixels:
    """Convert [N, C, H, W] -> [N, 3, H, W]: gray is kept, stacks of 2 are red and green, of more the first three."""
    colours = images.shape[1]
    if colours == 1:
        return images.repeat(3, axis=1)
    return np.pad(images[:, :3], ((0, 0), (0, max(0, 3 - colours)), (0, 0), (0, 0)))


def grid(images: Pixels, columns: int) -> NDArray[np.uint8]:
    """Arrange images uint8 [N, C, H, W] in rows of `columns` -> a picture [H', W', 3]."""
    count, _, height, width = images.shape
    rows, images = -(-count // columns), coloured(images)
    picture = np.full((rows, height + GAP, columns, width + GAP, 3), BACKGROUND, np.uint8)
    for index, image in enumerate(images):
        picture[index // columns, :height, index % columns, :width] = image.transpose(1, 2, 0)
    return picture.reshape(rows * (height + GAP), columns * (width + GAP), 3)[:-GAP, :-GAP]


def fixed_grid(generator: Generator, seed: int = 0, columns: int = 10, rows: int = 8) -> NDArray[np.uint8]:
    """Draw samples on noise of a fixed seed -> [H', W', 3]; with `columns` classes, one class per column."""
    return grid(sampling.sample(generator, columns * rows, seed), columns)


def walk(generator: Generator, seed: int = 0, stops: int = 6, between: int = 10, rows: int = 4) -> list[Pixels]:
    """Draw frames of a closed walk in latent space, from stop to stop -> grids [H', W', 3] of `rows` x `rows` images.

    Along great circles, since straight lines pass through latents much shorter than those of training.
    """
    points = sampling.latents(generator, stops * rows**2, seed).view(stops, rows**2, -1)
    label = sampling.classes(generator, rows**2)
    frames = []
    for stop in range(stops):
        start, end = points[stop], points[(stop + 1) % stops]
        for step in range(between):
            frames.append(grid(sampling.draw(generator, great_circle(start, end, step / between), label), rows))
    return frames


def great_circle(start: Tensor, end: Tensor, share: Tensor | float) -> Tensor:
    """Interpolate latents [N, Z] spherically at `share`, [N, 1] or the same for all (Shoemake 1985)."""
    cosine = torch.cosine_similarity(start, end, dim=1).clamp(-1 + 1e-6, 1 - 1e-6)
    angle = cosine.acos()[:, None]
    return (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()


def beside_nearest(fakes: Pixels, train: Pixels) -> NDArray[np.uint8]:
    """Draw fakes [N, C, H, W] above their nearest training images by pixels, nearest first -> [H', W', 3]."""
    distance, index = nearest(*(images.reshape(len(images), -1) for images in (fakes, train)))
    order = distance.argsort()
    return grid(np.concatenate([fakes[order], train[index[order]]]), len(fakes))
