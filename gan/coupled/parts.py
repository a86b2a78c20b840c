"""Factories of the coupled family; see `gan.parts`."""

from __future__ import annotations

from pathlib import Path

from gan.coupled.domains import domains_of, pairs, whole_second
from gan.coupled.networks import CoupledGenerator
from gan.coupled.scores import NAMES, PairJudge
from gan.coupled.settings import CoupledSettings
from gan.coupled.trainer import CoupledTrainer
from gan.data.images import Images, Part, Pixels
from gan.evaluation.features import extractor_for
from gan.evaluation.scores import Judge, Scores
from gan.samples.pictures import fixed_grid
from gan.shapes import Shape
from gan.space import SEARCH as STANDARD
from gan.space import around
from gan.standard import parts as standard
from gan.standard.parts import beside, pictures

__all__ = ["SETTINGS", "beside", "grid", "make_trainer", "pictures"]

SETTINGS = CoupledSettings
KINDS = ("fd_clf", "precision", "recall")
QUALITY = tuple(f"{half}_{name}" for half in NAMES for name in KINDS)
COLUMNS = ("fd_clf", "fd_floor", "agreement", "agreement_unpaired", *QUALITY)
CHARTS = {
    "The story": {
        **standard.CHARTS["The story"],
        "Precision and recall": [f"select/{name}" for name in QUALITY if "fd" not in name],
        "Pixels of a pair that agree": ["select/agreement", "select/agreement_unpaired"],
    }
}
SEARCH = STANDARD._replace(
    metric=STANDARD.metric._replace(beside=("fd_floor", "agreement", *QUALITY)),
    spaces=lambda settings: {"learning": around(settings)},
    fixed=(*STANDARD.fixed, "second"),
)
make_trainer = CoupledTrainer
grid = fixed_grid


def make_generator(settings: CoupledSettings, shape: Shape, classes: int) -> CoupledGenerator:
    """Create an untrained generator; `classes` is ignored."""
    return CoupledGenerator(settings.network, shape)


def make_judge(settings: CoupledSettings, data: Images, cache: Path, part: Part) -> PairJudge:
    """Create a scorer with a classifier per domain, of all training images; the first is shared with other families."""
    first, second = domains_of(data, settings.second)
    by_first, by_second = extractor_for(data, cache), extractor_for(whole_second(data, settings.second), cache)
    judges = Judge(first, by_first, settings.scores, part), Judge(second, by_second, settings.scores, part)
    return PairJudge(judges, settings.second)


def stock(settings: CoupledSettings, data: Images) -> Pixels:
    """Return all training images as true pairs."""
    return pairs(data.train.images, settings.second)


def summary_line(scores: Scores) -> str:
    """Return the agreement, and distance, precision and recall of both domains."""
    halves = [f"{half} " + ", ".join(f"{name} {scores[f'{half}_{name}']:.2f}" for name in KINDS) for half in NAMES]
    fit = f"agreement {scores['agreement']:.3f} (unpaired {scores['agreement_unpaired']:.3f})"
    return "; ".join([fit, *halves])
