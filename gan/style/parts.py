"""Factories of the style-based family; see `gan.parts`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan.evaluation.paths import paths_of
from gan.evaluation.scores import Judge, Scores
from gan.samples.pictures import fixed_grid
from gan.shapes import Shape
from gan.space import SEARCH as STANDARD
from gan.space import around
from gan.standard import parts as standard
from gan.standard.parts import CHARTS, COLUMNS, make_judge, stock
from gan.style.mixing import mixing_grid, mixing_scores
from gan.style.networks import StyleGenerator
from gan.style.settings import StyleSettings
from gan.style.trainer import StyleTrainer

__all__ = ["CHARTS", "COLUMNS", "SEARCH", "SETTINGS", "grid", "make_generator", "make_judge", "make_trainer", "stock"]

SETTINGS = StyleSettings
SEARCH = STANDARD._replace(spaces=lambda settings: {"learning": around(settings)}, cloned=(*STANDARD.cloned, "mixing"))
SEED = 3  # of the latents of paths and mixed pairs
make_trainer = StyleTrainer
grid = fixed_grid


def make_generator(settings: StyleSettings, shape: Shape, classes: int) -> StyleGenerator:
    """Create an untrained generator."""
    return StyleGenerator(settings.network, shape, classes)


def beside(generator: StyleGenerator, judge: Judge) -> Scores:
    """Return path lengths in Z and W and scores of style mixing, with `judge.count` pairs each."""
    paths = paths_of(generator, judge.extractor.network, judge.count, SEED)
    return {**paths, **mixing_scores(generator, judge.extractor, generator.middle, judge.count, SEED)}


def pictures(generator: Any) -> dict[str, tuple[NDArray[np.uint8], str]]:
    """Return a picture of mixed styles."""
    about = "Styles of the first column's images in coarse layers, of the first row's in fine ones."
    return {"mixing": (mixing_grid(generator, generator.middle), about)}


def summary_line(scores: Scores) -> str:
    """Return distance, precision, recall, path lengths and scores of style mixing."""
    paths = f"path length {scores['path_w']:.0f} in W, {scores['path_z']:.0f} in Z"
    mixed = f"mixed: class {scores['mixing_class']:.2f}, stroke width {scores['mixing_width']:.2f}"
    return f"{standard.summary_line(scores)}; {paths}; {mixed}"
