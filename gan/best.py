"""The best generator of a training: its state, sampling and report."""

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

NOISE = {"select": 1, "report": 2}  # seeds of noise: the report uses other images than the selection


@dataclass
class Best:
    """The averaged generator with the lowest `fd_clf` on the select part so far."""

    fd_clf: float = math.inf
    images: int = 0  # seen by training until then
    settings: dict[str, Any] = field(default_factory=dict)  # of the training at that time
    weights: Arrays = field(default_factory=dict)


def trainer_of(best: Best, settings: Any, data: Images) -> Trainer:
    """Create a trainer whose averaged generator is the best one of a run, for sampling and export."""
    trainer = parts_of(settings).make_trainer(from_dict(type(settings), best.settings), data)
    load_arrays(trainer.average, best.weights)
    trainer.images = best.images
    return trainer


def report(trainer: Trainer, judge: Scorer) -> Scores:
    """Score the averaged generator on the report part, with noise that was not used for selection."""
    scores = judge.score(drawn(trainer.average, judge, NOISE["report"]))
    return {**scores, **parts_of(trainer.settings).beside(trainer.average, judge)}


def drawn(generator: Generator, judge: Scorer, seed: int) -> Pixels:
    """Return the images to score: samples with noise of this seed, or translations of the scorer's images."""
    return sample(generator, judge.count, seed) if generator.latent else cast(ImageScorer, judge).answers(generator)
