"""Factories of progressive growing; see `gan.parts`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gan.progressive.networks import GrowingGenerator, Stages
from gan.progressive.settings import ProgressiveSettings, check_growth
from gan.progressive.trainer import ProgressiveTrainer
from gan.samples.pictures import fixed_grid
from gan.shapes import Shape
from gan.space import SEARCH as STANDARD
from gan.space import around
from gan.standard.parts import CHARTS, COLUMNS, beside, make_judge, pictures, stock, summary_line

__all__ = [
    "CHARTS",
    "COLUMNS",
    "SEARCH",
    "SETTINGS",
    "beside",
    "make_generator",
    "make_judge",
    "make_trainer",
    "pictures",
]
__all__ += ["stock", "summary_line"]

SETTINGS = ProgressiveSettings
SEARCH = STANDARD._replace(spaces=lambda settings: {"learning": around(settings)}, valid=check_growth)
ROWS = 4  # of each stage's grid
make_trainer = ProgressiveTrainer


def make_generator(settings: ProgressiveSettings, shape: Shape, classes: int) -> Stages:
    """Create an untrained generator, with copies for every stage."""
    return Stages(GrowingGenerator(settings.network, shape, classes), settings.growth.stages - 1)


def grid(generator: Stages, seed: int = 0) -> NDArray[np.uint8]:
    """Draw a grid for each stage, smallest size on top, with the same noise; future stages are black."""
    start = generator.newest.top - len(generator.finished)
    reached = math.ceil(float(generator.newest.level)) - start
    drawn = [fixed_grid(each, seed, rows=ROWS) for each in [*generator.finished[:reached], generator.newest]]
    to_come = [np.zeros_like(drawn[0])] * (len(generator.finished) - reached)
    return np.concatenate([*drawn, *to_come])
