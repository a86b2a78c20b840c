"""One GAN training as a person sees it: a live line, TensorBoard, pictures, checkpoints, scores; Ctrl-C saves."""

from __future__ import annotations

import math
import time
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from cluster.display import LiveLine, clock
from cluster.gan_curve import COLUMNS, draw_curve
from gan.export import export_generator
from gan.run import CHUNK, GanRun, report, trainer_of
from gan.samples.writer import add_grid, close_album, grid_file, rewind
from training import checkpoint
from training.csv_table import append_row
from training.files import write_json
from training.interrupt import Interrupt
from training.provenance import origin
from training.resume import resume
from training.run_dir import RunDir
from training.settings import flat

REPORT_SECONDS = 5.0
CHECKPOINT_SECONDS = 60.0


class GanSession:
    """Drives one training until its settings say stop, or a person does."""

    def __init__(self, run: GanRun, directory: RunDir, interrupt: Interrupt, started: float) -> None:
        self.run, self.settings, self.directory, self.interrupt = run, run.trainer.settings, directory, interrupt
        self.started, self.checkpoint = started, None
        if found := resume(directory, checkpoint.load):
            self.checkpoint, state = found
            run.load_state(state)
            self.started -= float(state["seconds"])  # as if the earlier parts of a resumed run had just happened
        directory.rewind(run.images)
        rewind(directory, run.images)
        self.first_images, self.first_time = run.images, time.monotonic()
        self.writer = SummaryWriter(str(directory.tensorboard), purge_step=run.images + 1)
        self.reported, self.saved, self.judged = 0.0, time.monotonic(), run.images

    def seconds(self) -> float:
        """Wall clock of the training so far, start-up and resumed parts included."""
        return time.monotonic() - self.started

    def train(self) -> None:
        """Train to the end, or until a person interrupts. State is saved either way.

        Raises:
            FloatingPointError: training has diverged; the last checkpoint is from before.
        """
        with LiveLine(f"gan {self.run.trainer.data.name}") as line:
            while not self._finished() and not self.interrupt.raised:
                losses = self.run.train(self._next_stop())
                if time.monotonic() - self.reported >= REPORT_SECONDS:
                    self._report(losses, line)
                if self._judgement_due():
                    self._judge()
                if time.monotonic() - self.saved >= CHECKPOINT_SECONDS:
                    self._save()
        if not self.interrupt.raised and (self.judged < self.run.images or math.isinf(self.run.best.fd_clf)):
            self._judge()
        self._save()

    def _finished(self) -> bool:
        return self.run.images >= self.settings.training.images or self.seconds() >= 60 * self.settings.minutes

    def _next_stop(self) -> int:
        """Images until which there is nothing to do but train."""
        training, every = self.settings.training, self.settings.scores.every_images
        soon = self.run.images + CHUNK * training.batch_size * training.critic_steps
        judgement = (self.run.images // every + 1) * every if every else soon
        return min(soon, judgement, training.images)

    def _judgement_due(self) -> bool:
        every = self.settings.scores.every_images
        return bool(every) and self.run.images // every > self.judged // every

    def _judge(self) -> None:
        """Score on the select part, keep and export what is best, draw the grid."""
        run, scores = self.run, self.run.score()
        self.judged = run.images
        for name, value in scores.items():
            if isinstance(value, int | float):
                self.writer.add_scalar(f"select/{name}", value, run.images)
        row = {**scores, "seconds": round(self.seconds(), 1), "images": run.images}
        append_row(self.directory.curve_csv, COLUMNS, row)
        add_grid(self.writer, grid_file(self.directory, run.images), run.trainer.average, run.images)
        if run.best.images == run.images:
            export_generator(run.trainer, self.directory.generator, {"part": "select", **scores})

    def _report(self, losses: dict[str, float], line: LiveLine) -> None:
        images, training = self.run.images, self.settings.training
        rate = (images - self.first_images) / max(time.monotonic() - self.first_time, 1e-9)
        for name, value in {**losses, "images_per_second": rate}.items():
            self.writer.add_scalar(f"training/{name}", value, images)
        done = min(1.0, max(images / training.images, self.seconds() / (60 * self.settings.minutes)))
        left = min((training.images - images) / max(rate, 1e-9), 60 * self.settings.minutes - self.seconds())
        best = self.run.best.fd_clf
        shown = "not judged yet" if math.isinf(best) else f"best fd_clf {best:.2f}"
        gone = f"{clock(self.seconds())} gone, {clock(max(left, 0))} left at most"
        line.show(done, f"{images:,} images  {rate:,.0f}/s  {shown}  {gone}")
        self.reported = time.monotonic()

    def _save(self) -> None:
        state = {**self.run.state(), "seconds": self.seconds()}
        self.checkpoint = checkpoint.save_next(self.directory.checkpoints, self.run.images, state)
        if self.directory.curve_csv.exists():
            draw_curve(self.directory.curve_csv, self.directory.curve_png, self.run.trainer.data.name)
        self.saved = time.monotonic()

    def close(self) -> dict[str, Any]:
        """Report the best generator's scores on the held-out report part and write summary.json; returns it.

        There are no scores where a person has interrupted; once they are on their way, they are waited for.
        """
        scores: dict[str, Any] = {}
        seconds, best = self.seconds(), self.run.best
        if not self.interrupt.raised:
            trainer = trainer_of(best, self.run.trainer.data)
            scores = {**report(trainer, self.run.judge.extractor)}
            export_generator(trainer, self.directory.generator, {"part": "report", **scores})
            close_album(self.writer, self.directory, trainer)
            self.writer.add_hparams(flat(self.settings), {"report/fd_clf": scores["fd_clf"]}, run_name=".")
        summary = {
            **scores,
            "select_fd_clf": None if math.isinf(best.fd_clf) else best.fd_clf,
            "images": self.run.images,
            "best_images": best.images,
            "seconds": seconds,
            "seconds_with_scores": self.seconds(),
            "images_per_second": self.run.images / max(seconds, 1e-9),
            "checkpoint": str(self.checkpoint),
            "seed": self.settings.seed,
            **origin(),
        }
        write_json(self.directory.summary, summary)
        return summary
