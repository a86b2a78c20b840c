"""The best generator of a training: what is kept of it, how it is drawn with, what is reported of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, cast

from gan.data.images import Images, Pixels
from gan.evaluation.scores import Scores
from gan.parts import Generator, ImageScorer, Scorer, Trainer, parts_of
from gan.samples.sampling import sample
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


def trainer_of(best: Best, settings: Any, data: Images) -> Trainer:
    """A trainer whose averaged generator is the best one of a run with `settings`, for drawing and exporting."""
    trainer = parts_of(settings).make_trainer(from_dict(type(settings), best.settings), data)
    load_arrays(trainer.average, best.weights)
    trainer.images = best.images
    return trainer


def report(trainer: Trainer, judge: Scorer) -> Scores:
    """Scores of the averaged generator by the judge of the report part, by noise that nothing was chosen by."""
    scores = judge.score(drawn(trainer.average, judge, NOISE["report"]))
    return {**scores, **parts_of(trainer.settings).beside(trainer.average, judge)}


def drawn(generator: Generator, judge: Scorer, seed: int) -> Pixels:
    """What a judge scores: samples on noise of this seed; without noise, what becomes of the judge's own images."""
    return sample(generator, judge.count, seed) if generator.latent else cast(ImageScorer, judge).answers(generator)
