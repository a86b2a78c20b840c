"""A run of a GAN: trains, scores on the select part, keeps and exports the best generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gan.best import NOISE, Best, drawn, report, trainer_of
from gan.evaluation.curve import draw_curve
from gan.evaluation.scores import Scores
from gan.export import export_generator
from gan.parts import Scorer, Trainer, parts_of
from gan.samples.closing import closing_pictures
from training.arrays import arrays_of
from training.run import About, Clock, Closing, Picture, Record
from training.search import Judgement
from training.settings import flat, to_dict
from training.storage import checkpoint
from training.storage.files import png

CHUNK = 25  # steps between checks for divergence
CHECKPOINT_MINUTES = 1.0
RESULTS = ("report/fd_clf", "select/fd_clf", "run/images_per_second")


class GanRun:
    """Run of a trainer with the scorer of the select part; the best generator is exported to `folder`."""

    def __init__(self, trainer: Trainer, judge: Scorer, folder: Path, defaults: Any = None) -> None:
        self.parts = parts_of(trainer.settings)
        self.trainer, self.scorer, self.folder, self.best = trainer, judge, folder, Best()
        self.settings, self.seconds = trainer.settings, 0.0
        self.judged = 0  # images seen at the last scoring
        self.losses: dict[str, float] = {}
        self.unread: list[Record] = []
        self.unseen: list[Picture] = []
        values = flat(self.settings)
        self.about = About(
            title=trainer.data.name,
            columns=self.parts.COLUMNS,
            minutes=self.settings.minutes,
            checkpoint_minutes=CHECKPOINT_MINUTES,
            settings=values,
            compared=values,
            defaults=flat(defaults or self.settings),
            results=RESULTS,
            charts=self.parts.CHARTS,
            data=trainer.data.digest(),
        )

    @property
    def images(self) -> int:
        """Real images seen by the discriminator."""
        return self.trainer.images

    @property
    def clock(self) -> Clock:
        """Images."""
        return Clock("images", self.images, self.settings.training.images)

    def train(self, images: int) -> dict[str, float]:
        """Train up to `images` images in total, at least one step; return the last losses.

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

    def step(self, until: int) -> None:
        """Train up to the next scoring or for `CHUNK` steps, and score if due."""
        training, every = self.settings.training, self.settings.scores.every_images
        soon = self.images + CHUNK * training.batch_size * training.critic_steps
        judgement = (self.images // every + 1) * every if every else soon
        self.losses = self.train(min(soon, judgement, until))
        if every and self.images // every > self.judged // every:
            self.judge()

    def judge(self) -> Judgement:
        """Score on the select part, keep and export the best generator, draw the grid."""
        scores = self.score()
        self.judged = self.images
        numbers = {name: float(value) for name, value in scores.items() if isinstance(value, int | float)}
        selected = {f"select/{name}": value for name, value in numbers.items()}
        self.unread.append(Record(self.images, selected, dict(scores)))
        grid, file = png(self.parts.grid(self.trainer.average)), f"pictures/{self.images:012d}.png"
        self.unseen.append(Picture("samples", grid, self.images, "Samples with fixed noise.", file))
        if self.best.images == self.images:
            export_generator(self.trainer, self.folder / "generator", {"part": "select", **scores})
        return Judgement(numbers["fd_clf"], numbers)

    def finish(self) -> None:
        """Score the last state, if it is not scored yet."""
        if self.judged < self.images or math.isinf(self.best.fd_clf):
            self.judge()

    def score(self) -> Scores:
        """Score the averaged generator on the select part; keep it if it is the best."""
        scores = self.scorer.score(drawn(self.trainer.average, self.scorer, NOISE["select"]))
        if float(scores["fd_clf"]) < self.best.fd_clf:
            settings, weights = to_dict(self.trainer.settings), arrays_of(self.trainer.average)
            self.best = Best(float(scores["fd_clf"]), self.images, settings, weights)
        return scores

    def goal_reached(self) -> bool:
        """Return False: a GAN has no goal."""
        return False

    def records(self) -> list[Record]:
        """Return all scores since the last call, and the newest losses."""
        judgements, self.unread = self.unread, []
        return [*judgements, Record(self.images, {f"training/{name}": value for name, value in self.losses.items()})]

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Return no distributions."""
        return {}

    def pictures(self) -> list[Picture]:
        """Return the grids of all scorings since the last call."""
        unseen, self.unseen = self.unseen, []
        return unseen

    def line(self) -> str:
        """Return the best distance so far."""
        best = self.best.fd_clf
        return "not judged yet" if math.isinf(best) else f"best fd_clf {best:.2f}"

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """Score the best generator on the report part; `on_step` is never called."""
        trainer = trainer_of(self.best, self.settings, self.trainer.data)
        scores = report(trainer, self.scorer.reporting())
        export_generator(trainer, self.folder / "generator", {"part": "report", **scores})
        pictures = closing_pictures(trainer, self.folder / "pictures")
        return Closing(float(scores["fd_clf"]), self.parts.summary_line(scores), dict(scores), pictures)

    def summary(self) -> dict[str, Any]:
        """Return the best generator's score and images, and the seed."""
        best = None if math.isinf(self.best.fd_clf) else self.best.fd_clf
        return {"select_fd_clf": best, "best_images": self.best.images, "seed": self.settings.seed}

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Plot distance over images."""
        draw_curve(table, picture, self.about.title)

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit."""
        return {"trainer": self.trainer.state(), "best": vars(self.best), "judged": self.judged}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state` with this run's settings.

        Raises:
            ValueError: networks or data differ.
        """
        self.trainer.load_state(state["trainer"])
        self.best, self.judged = Best(**state["best"]), state.get("judged", self.images)  # not in older ones

    def save(self, folder: Path) -> Path:
        """Write a checkpoint."""
        return checkpoint.save_next(folder, self.images, {**self.state(), "seconds": self.seconds})

    def load(self, path: Path) -> None:
        """Restore a checkpoint; in float32 on a CPU the run continues bit for bit.

        Raises:
            ValueError: networks or data differ.
        """
        state = checkpoint.load(path)
        self.load_state(state)
        self.seconds = float(state["seconds"])

    def close(self) -> None:
        """Do nothing."""
