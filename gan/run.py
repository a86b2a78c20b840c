"""One GAN training with its judge: trains by the clock of images, scores by the select part, keeps the best generator.

A session at a terminal and a trial of a sweep are both built on it.
"""

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
from training.arrays import Arrays, arrays_of, load_arrays
from training.settings import from_dict, to_dict

CHUNK = 25  # steps between two looks at whether training has diverged
NOISE = {"select": 1, "report": 2}  # seeds: the images that are reported are not those that were selected by


@dataclass
class Best:
    """The averaged generator with the lowest `fd_clf` on the select part so far."""

    fd_clf: float = math.inf
    images: int = 0  # that training had seen then
    settings: dict[str, Any] = field(default_factory=dict)  # it was trained with at that moment
    weights: Arrays = field(default_factory=dict)


class GanRun:
    """A trainer, the judge of the select part, and the best generator."""

    def __init__(self, trainer: Trainer, judge: Judge) -> None:
        self.trainer, self.judge, self.best = trainer, judge, Best()

    @property
    def images(self) -> int:
        """Real images that the discriminator has seen."""
        return self.trainer.images

    def train(self, images: int) -> dict[str, float]:
        """Train until `images` images were seen in all -> the last losses; at least one step.

        Raises:
            FloatingPointError: training has diverged.
        """
        training = self.trainer.settings.training
        steps = max(1, math.ceil((images - self.images) / (training.batch_size * training.critic_steps)))
        losses: dict[str, float] = {}
        while steps > 0:
            losses = self.trainer.train(min(steps, CHUNK))
            steps -= CHUNK
        return losses

    def score(self) -> Scores:
        """Scores of the averaged generator on the select part; the best one is kept."""
        scores = self.judge.score(sample(self.trainer.average, self.judge.count, NOISE["select"]))
        if float(scores["fd_clf"]) < self.best.fd_clf:
            settings, weights = to_dict(self.trainer.settings), arrays_of(self.trainer.average)
            self.best = Best(float(scores["fd_clf"]), self.images, settings, weights)
        return scores

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on bit for bit."""
        return {"trainer": self.trainer.state(), "best": vars(self.best)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where another run stopped, with this one's settings.

        Raises:
            ValueError: its networks or data were others.
        """
        self.trainer.load_state(state["trainer"])
        self.best = Best(**state["best"])


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
