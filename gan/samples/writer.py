"""What a person looks at: grids as files and in TensorBoard, walks, fakes beside the real images nearest to them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from gan.samples.pictures import beside_nearest, fixed_grid, walk
from gan.samples.sampling import sample
from gan.standard.networks import Generator
from gan.standard.trainer import Trainer
from training.files import write_gif, write_png
from training.run_dir import RunDir

NEAREST = 16  # fakes that are shown with their nearest training image
LONGEST = 80  # pictures of an animation


def add_grid(writer: SummaryWriter, file: Path, generator: Generator, images: int) -> None:
    """Samples on fixed noise, as `file` and at `images` on TensorBoard's axis."""
    picture = fixed_grid(generator)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_png(file, picture)
    writer.add_image("samples", picture, images, dataformats="HWC")


def grid_file(directory: RunDir, images: int) -> Path:
    """Where the grid of that moment lies."""
    return directory.pictures / f"{images:012d}.png"


def rewind(directory: RunDir, images: int) -> None:
    """Drop the grids that a killed run drew after its last checkpoint, and half-written ones."""
    for file in directory.pictures.glob("*.png"):
        if not file.stem.isdecimal() or int(file.stem) > images:
            file.unlink()


def close_album(writer: SummaryWriter, directory: RunDir, trainer: Trainer) -> None:
    """The last pictures of the best generator: samples, a walk, the nearest real images, training as an animation."""
    generator, images, stack = trainer.average, trainer.images, trainer.data.stack
    write_png(directory.path / "samples.png", fixed_grid(generator))
    walked = directory.path / "walk.gif"
    write_gif(walked, walk(generator))
    _add_gif(writer, "walk", walked, images)
    fakes = sample(generator, NEAREST, seed=0)
    singles = fakes.reshape(NEAREST * stack, -1, *fakes.shape[2:])[:NEAREST]
    nearest = beside_nearest(singles, trainer.data.train.images)
    write_png(directory.path / "nearest.png", nearest)
    writer.add_image("nearest", nearest, images, dataformats="HWC")
    grids = sorted(directory.pictures.glob("*.png"))
    if grids:
        shown = [grids[index] for index in np.unique(np.linspace(0, len(grids) - 1, LONGEST).astype(int))]
        write_gif(directory.path / "training.gif", [np.asarray(Image.open(file)) for file in shown], scale=1)


def _add_gif(writer: SummaryWriter, tag: str, file: Path, images: int) -> None:
    """An animation as TensorBoard plays it: the encoded file in the place of a picture."""
    data = file.read_bytes()
    with Image.open(io.BytesIO(data)) as animation:
        width, height = animation.size
    shown = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data)
    events: Any = writer.file_writer
    events.add_summary(Summary(value=[Summary.Value(tag=tag, image=shown)]), images)
