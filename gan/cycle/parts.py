"""Factories of the cycle-consistent family; see `gan.parts`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gan.cycle.domains import domains_of
from gan.cycle.networks import Pair, Shown
from gan.cycle.scores import NAMES, TranslationJudge, translation_judge
from gan.cycle.settings import CycleSettings
from gan.cycle.trainer import CycleTrainer
from gan.data.images import Images, Part
from gan.evaluation.features import extractor_for
from gan.evaluation.scores import Scores
from gan.samples.pictures import grid as tiled
from gan.samples.sampling import draw
from gan.shapes import Shape
from gan.space import SEARCH as STANDARD
from gan.space import around
from gan.standard import parts as standard
from gan.standard.parts import beside as beside
from gan.standard.parts import pictures as pictures

SETTINGS = CycleSettings
KEPT = ("kept", "kept_back", "as_is", "as_is_back")
QUALITY = tuple(f"{name}_{score}" for name in NAMES for score in ("fd_clf", "precision", "recall"))
COLUMNS = ("fd_clf", "fd_floor", *KEPT, "cycle_error", *QUALITY)
CHARTS = {
    "The story": {
        **standard.CHARTS["The story"],
        "Precision and recall": [f"select/{name}" for name in QUALITY if "fd" not in name],
        "What a translation keeps": [f"select/{name}" for name in KEPT],
        "Cycle error": ["select/cycle_error", "training/cycle"],
    }
}
SEARCH = STANDARD._replace(
    metric=STANDARD.metric._replace(beside=("fd_floor", *KEPT, "cycle_error", *QUALITY)),
    spaces=lambda settings: {"learning": {**around(settings), "held.cycle": {"log": [1.0, 100.0]}}},
    fixed=(*STANDARD.fixed, "second"),
    cloned=(*STANDARD.cloned, "held.cycle"),
)
ROWS = 12  # of a grid
make_trainer = CycleTrainer


def make_generator(settings: CycleSettings, shape: Shape, classes: int) -> Shown:
    """Create an untrained generator with black images on its shelf; `classes` is ignored."""
    return Shown(Pair(settings.network, shape), torch.zeros(2, 2 * settings.scores.samples, *shape, dtype=torch.uint8))


def make_judge(settings: CycleSettings, data: Images, cache: Path, part: Part) -> TranslationJudge:
    """Create a scorer with a classifier of the whole data set and, for small digits, one of the second domain.

    If the rule between the domains is known, second-domain images are converted back for the first classifier.
    """
    domains = domains_of(data, settings.second)
    rule = None if settings.second == "small_digits" else settings.second
    first = extractor_for(data, cache)
    second = first if rule else extractor_for(domains.second, cache)
    return translation_judge(domains, (first, second), settings.scores, part, rule)


def grid(generator: Shown, seed: int = 0) -> NDArray[np.uint8]:
    """Return images chosen by the seed, with their translations there and back; small ones two per row."""
    chosen = np.random.default_rng(seed).permutation(generator.shelf.shape[1])[:ROWS]
    drawn = draw(generator, generator.shelf[:, chosen].transpose(0, 1), None)
    return tiled(drawn, 1 if generator.shelf.shape[-1] > 32 else 2)


def summary_line(scores: Scores) -> str:
    """Return what is kept each way, the cycle error and the distance from the target domain."""
    kept = f"kept {scores['kept']:.3f} and back {scores['kept_back']:.3f}"
    as_is = f"as they are {scores['as_is']:.3f} and {scores['as_is_back']:.3f}"
    distance = f"fd_clf {scores['fd_clf']:.2f} (real images {scores['fd_floor']:.2f})"
    return f"{kept} ({as_is}), cycle error {scores['cycle_error']:.3f}, {distance}"
