"""Factories of the standard family; see `gan.parts`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan.data.images import Images, Part, Pixels
from gan.evaluation.features import extractor_for
from gan.evaluation.scores import Judge, Scores
from gan.parts import Scorer
from gan.samples.attention import attention_picture
from gan.samples.pictures import fixed_grid
from gan.shapes import Shape
from gan.space import SEARCH as SEARCH
from gan.standard.networks import Generator
from gan.standard.settings import GanSettings
from gan.standard.trainer import Trainer

SETTINGS = GanSettings
COLUMNS = (
    *("fd_clf", "kid_clf", "precision", "recall", "density", "coverage", "nn_ratio"),
    *("fd_floor", "fd_floor_std", "consistency"),  # consistency for canvases only
)
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
    """Create an untrained generator."""
    return Generator(settings.network, shape, classes)


def make_judge(settings: GanSettings, data: Images, cache: Path, part: Part) -> Judge:
    """Create a scorer with the data's classifier, of single images if several are adjacent."""
    return Judge(data, extractor_for(data.singles or data, cache), settings.scores, part)


def stock(settings: GanSettings, data: Images) -> Pixels:
    """Return training images: single ones for stacks, whole canvases."""
    return data.train.images


def beside(generator: Any, judge: Scorer) -> Scores:
    """Return no additional scores."""
    return {}


def pictures(generator: Any) -> dict[str, tuple[NDArray[np.uint8], str]]:
    """Return a picture of attention, if there is any."""
    looked = attention_picture(generator)
    about = "Samples, with the attention of bright places in red."
    return {} if looked is None else {"attention": (looked, about)}


def summary_line(scores: Scores) -> str:
    """Return distance with its floor, precision and recall."""
    distance = f"fd_clf {scores['fd_clf']:.2f} (real images {scores['fd_floor']:.2f} +- {scores['fd_floor_std']:.2f})"
    equal = "" if "consistency" not in scores else _consistency(scores)
    return f"{distance}, precision {scores['precision']:.2f}, recall {scores['recall']:.2f}{equal}"


def _consistency(scores: Scores) -> str:
    names = ("consistency", "consistency_chance", "consistency_floor")
    return ", consistency {:.2f} (chance {:.2f}, real images {:.2f})".format(*(scores[name] for name in names))
