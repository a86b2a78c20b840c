"""The best generator of a training: what is kept of it, how it is drawn with, what is reported of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from gan.data.images import Images
from gan.evaluation.features import Extractor
from gan.evaluation.scores import Judge, Scores
from gan.samples.sampling import sample
from gan.standard.settings import GanSettings
from gan.standard.trainer import Trainer
from training.arrays import Arrays, load_arrays
from training.settings import from_dict

NOISE = {"select": 1, "report": 2}  # seeds: the images that are reported are not those that were selected by


@dataclass
class Best:
    """The averaged generator with the lowest `fd_clf` on the select part so far."""

    fd_clf: float = math.inf
    images: int = 0  # that training had seen then
    settings: dict[str, Any] = field(default_factory=dict)  # it was trained with at that moment
    weights: Arrays = field(default_factory=dict)


def trainer_of(best: Best, data: Images) -> Trainer:
    """A trainer whose averaged generator is the best one, for drawing and exporting."""
    trainer = Trainer(from_dict(GanSettings, best.settings), data)
    load_arrays(trainer.average, best.weights)
    trainer.images = best.images
    return trainer


def report(trainer: Trainer, extractor: Extractor) -> Scores:
    """Scores of the averaged generator on the report part, by noise that nothing was chosen by."""
    judge = Judge(trainer.data, extractor, trainer.settings.scores, "report")
    return judge.score(sample(trainer.average, judge.count, NOISE["report"]))


def said(scores: Scores) -> str:
    """The scores that matter most, in a line."""
    distance = f"fd_clf {scores['fd_clf']:.2f} (real images {scores['fd_floor']:.2f} +- {scores['fd_floor_std']:.2f})"
    return f"{distance}, precision {scores['precision']:.2f}, recall {scores['recall']:.2f}"
