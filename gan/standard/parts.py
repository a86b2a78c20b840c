"""What the standard family is made of, noise (and class) to image: see `gan.parts`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gan.data.images import Images, Pixels
from gan.evaluation.features import extractor_for
from gan.evaluation.scores import Judge, Scores
from gan.parts import Scorer
from gan.samples.pictures import fixed_grid
from gan.standard.networks import Generator, Shape
from gan.standard.settings import GanSettings
from gan.standard.trainer import Trainer

SETTINGS = GanSettings
COLUMNS = ("fd_clf", "kid_clf", "precision", "recall", "density", "coverage", "nn_ratio", "fd_floor")
CHARTS = {
    "The story": {
        "Distance from real images (fd_clf), select part": ["select/fd_clf", "select/fd_floor"],
        "Precision and recall": ["select/precision", "select/recall"],
        "Losses": ["training/discriminator_loss", "training/generator_loss"],
        "Margin of real over generated images": ["training/margin"],
        "Images/s": ["run/images_per_second", "throughput/run"],
    }
}
make_trainer = Trainer
grid = fixed_grid


def make_generator(settings: GanSettings, shape: Shape, classes: int) -> Generator:
    """An untrained one."""
    return Generator(settings.network, shape, classes)


def make_judge(settings: GanSettings, data: Images, cache: Path, part: Literal["select", "report"]) -> Judge:
    """One judge with the data's own classifier."""
    return Judge(data, extractor_for(data, cache), settings.scores, part)


def stock(settings: GanSettings, data: Images) -> Pixels:
    """Single training images, of stacks too."""
    return data.train.images


def beside(generator: Any, judge: Scorer) -> Scores:
    """Nothing: a generator's images say all that is scored."""
    return {}


def pictures(generator: Any) -> dict[str, tuple[NDArray[np.uint8], str]]:
    """None of its own."""
    return {}


def said(scores: Scores) -> str:
    """Distance with its floor, precision and recall."""
    distance = f"fd_clf {scores['fd_clf']:.2f} (real images {scores['fd_floor']:.2f} +- {scores['fd_floor_std']:.2f})"
    return f"{distance}, precision {scores['precision']:.2f}, recall {scores['recall']:.2f}"
