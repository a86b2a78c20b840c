"""A data set and settings with which a GAN is trained in a second."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from training.storage import checkpoint

CORNERS = ((0, 0), (0, 4), (4, 0), (4, 4))
TINY: dict[str, Any] = {
    "minutes": 1e9,  # counted from the start of the process, and that is the tests'
    "network.latent": 8,
    "network.generator_width": 8,
    "network.discriminator_width": 8,
    "training.batch_size": 8,
    "training.average_images": 100,
    "training.precision": "fp32",
    "training.device": "cpu",
    "training.decay_from": 1.0,
    "scores.samples": 32,
    "scores.every_images": 160,
}
TINY_GAN = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]


def write_corners(file: Path, count: int = 240) -> Path:
    """8x8 pictures of a bright square in one of four corners, which is their class, as an npz archive."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % len(CORNERS)
    images = rng.integers(0, 40, (count, 8, 8))
    for image, label in zip(images, labels, strict=True):
        row, column = CORNERS[label]
        image[row : row + 4, column : column + 4] = rng.integers(180, 256)
    np.savez(file, x=images.astype(np.uint8), y=labels)
    return file


def copy_corners(corners: Path, folder: Path) -> str:
    """The archive and its classifier where a test's own runs will lie; returns the archive's path."""
    shutil.copytree(corners.parent / ".gan-cache", folder / ".gan-cache")
    return str(shutil.copy(corners, folder))


def trained(run: Path) -> dict[str, Any]:
    """The newest checkpoint of a GAN run, without the clock."""
    state = checkpoint.load(checkpoint.latest(run / "checkpoints"))
    del state["seconds"], state["best"]["settings"]
    return state
