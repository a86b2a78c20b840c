"""A data set and settings that train a GAN within a second."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from training.storage import checkpoint

CORNERS = ((0, 0), (0, 4), (4, 0), (4, 4))
TINY: dict[str, Any] = {
    "minutes": 1e9,  # counted from the start of the process, here the test process
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
    """Write an npz archive of 8x8 images with a bright square in one of four corners; the corner is the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % len(CORNERS)
    images = rng.integers(0, 40, (count, 8, 8))
    for image, label in zip(images, labels, strict=True):
        row, column = CORNERS[label]
        image[row : row + 4, column : column + 4] = rng.integers(180, 256)
    np.savez(file, x=images.astype(np.uint8), y=labels)
    return file


def copy_corners(corners: Path, folder: Path) -> str:
    """Copy the archive and its cached classifier into a test's folder; return the path of the copied archive."""
    shutil.copytree(corners.parent / ".gan-cache", folder / ".gan-cache")
    return str(shutil.copy(corners, folder))


def trained(run: Path) -> dict[str, Any]:
    """Return the newest checkpoint of a GAN run without its elapsed time and its best settings."""
    state = checkpoint.load(checkpoint.latest(run / "checkpoints"))
    del state["seconds"], state["best"]["settings"]
    return state
