"""A training session as a person sees it: a live line, TensorBoard, checkpoints, a curve, a summary; Ctrl-C saves.

Whatever is trained: the session knows its run by `training.run.Run` alone.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from training.errors import CannotGoOn
from training.interrupt import Interrupt
from training.progress import LiveLine, clock, evaluation_bar
from training.run import Closing, Picture, Record, Run
from training.storage.csv_table import append_row
from training.storage.files import write_bytes, write_json
from training.storage.provenance import origin
from training.storage.run_dir import RunDir
from training.system_metrics import machine
from training.tensorboard import TensorBoard

REPORT_SECONDS = 5.0


class EvaluationEnded(Exception):
    """A person did not want to wait for the closing evaluation."""


def keep(picture: Picture, directory: RunDir) -> None:
    """Write a picture that is to lie in the run directory."""
    if picture.file:
        file = directory.path / picture.file
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, picture.data)


class Session:
    """Drives one run until its settings say stop, or a person does."""

    def __init__(self, run: Run, directory: RunDir, interrupt: Interrupt, started: float) -> None:
        self.run, self.directory, self.interrupt = run, directory, interrupt
        self.began, self.startup = started, 0.0  # seconds until there was something to report
        self.started = started - run.seconds  # as if the earlier parts of a resumed run had just happened
        self.now = run.clock.now  # when it was last looked at
        self.first, self.first_time = self.now, time.monotonic()
        self.before = self.now, time.monotonic()
        directory.rewind(self.now)
        self.tensorboard = TensorBoard(directory, run.about, self.now)
        self.reported = self.saved = time.monotonic()
        self.saved_at = self.now
        self.checkpoint: Path | None = None

    def seconds(self) -> float:
        """Wall clock of the run so far, start-up and resumed parts included."""
        return time.monotonic() - self.started

    def rate(self) -> float:
        """By the run's clock a second, since this process began to train, what was lost with a learner included."""
        return (self.run.clock.now - self.first) / max(time.monotonic() - self.first_time, 1e-9)

    def train(self) -> None:
        """Train to the end, or until a person interrupts. State is saved either way.

        Raises:
            CannotGoOn: what was trained until then is saved, if it is whole.
            FloatingPointError: training has diverged; the last checkpoint is from before.
        """
        try:
            whole = False
            while not whole:
                self._train()
                self._save()
                whole = self.interrupt.raised or self._finished()  # else a learner was lost, and the run went back
            if not self.interrupt.raised:
                self._show(self.run.pictures())
        except CannotGoOn as error:
            if error.whole:
                self._save()
            raise
        finally:
            self.tensorboard.close()

    def _train(self) -> None:
        with LiveLine(self.run.about.title) as line:
            while not self._finished() and not self.interrupt.raised:
                self.run.step(self.run.clock.end)
                self._look_at_clock()
                save = self._save_is_due()
                if save or time.monotonic() - self.reported >= REPORT_SECONDS:
                    self._report(line)
                if save:
                    self._save()
                    self._show(self.run.pictures())
            if not self.interrupt.raised:
                self.run.finish()
            self._report(line, last=True)

    def _save_is_due(self) -> bool:
        if every := self.run.about.checkpoint_every:  # then it must not matter how fast the computer is
            return self.run.clock.now // every > self.saved_at // every
        return time.monotonic() - self.saved >= 60 * self.run.about.checkpoint_minutes

    def _look_at_clock(self) -> None:
        """After a lost learner the run goes on from a checkpoint: drop what was reported beyond it."""
        now = self.run.clock.now
        if now < self.now:
            self.directory.rewind(now)
            self.tensorboard.rewind(now)
            self.first -= self.now - now  # the rate counts all that was trained, kept or not
            self.before = now, time.monotonic()
        if now > self.first and not self.startup:
            self.startup = time.monotonic() - self.began
        self.now = now

    def _finished(self) -> bool:
        timed_out = self.seconds() >= 60 * self.run.about.minutes
        return self.run.clock.now >= self.run.clock.end or timed_out or self.run.goal_reached()

    def _save(self) -> None:
        self.run.seconds, began = self.seconds(), time.monotonic()
        self.checkpoint = self.run.save(self.directory.checkpoints)
        self._look_at_clock()
        self.tensorboard.scalars(Record(self.now, {"run/checkpoint_seconds": time.monotonic() - began}))
        if self.directory.curve_csv.exists():  # a run that cannot go on may be saved before its first report
            self.run.draw_curve(self.directory.curve_csv, self.directory.curve_png)
        self.saved, self.saved_at = time.monotonic(), self.run.clock.now

    def _report(self, line: LiveLine, *, last: bool = False) -> None:
        """Scalars and distributions into TensorBoard, rows of the curve, pictures, the live line."""
        for record in [*self.run.records(), self._speed()]:
            self.tensorboard.scalars(record)
            if record.row is not None:
                row = {"seconds": round(self.seconds(), 1), self.run.clock.name: record.at, **record.row}
                columns = ("seconds", self.run.clock.name, *self.run.about.columns)
                append_row(self.directory.curve_csv, columns, row)
        if last or self.tensorboard.distributions_due():
            self.tensorboard.distributions(self.run.distributions(), self.run.clock.now)
        self._show(self.run.pictures())
        line.show(*self._progress())
        self.reported = time.monotonic()

    def _speed(self) -> Record:
        """Rates since this process began and since the last report, and what the machine says."""
        (before, then), now, seconds = self.before, self.run.clock.now, time.monotonic()
        scalars = {f"run/{self.run.clock.name}_per_second": self.rate(), **machine()}
        if now > before:  # the last report may follow another at once, and then says nothing of the rate
            scalars["throughput/run"] = (now - before) / max(seconds - then, 1e-9)
            self.before = now, seconds
        return Record(now, scalars)

    def _progress(self) -> tuple[float, str]:
        """The share that lies behind, towards whichever end comes first, and the line beside it."""
        _, now, end = self.run.clock
        rate, seconds, most = self.rate(), self.seconds(), 60 * self.run.about.minutes
        left = max(min((end - now) / max(rate, 1e-9), most - seconds), 0)
        time_line = f"{clock(seconds)} gone, {clock(left)} left at most"
        line = f"{now:,} {self.run.clock.unit}  {rate:,.0f}/s  {self.run.line()}  {time_line}"
        return min(max(now / end, seconds / most), 1.0), line

    def _show(self, pictures: list[Picture]) -> None:
        for picture in pictures:
            keep(picture, self.directory)
            self.tensorboard.picture(picture)

    def close(self) -> Closing | None:
        """Play the closing evaluation, unless a person has interrupted, and write summary.json -> how it went.

        Who interrupts the evaluation ends it: the summary then holds none.
        """
        now, seconds, rate = self.run.clock.now, self.seconds(), self.rate()
        closing = None if self.interrupt.raised else self._evaluate()
        score, pictures = (closing.score, closing.pictures) if closing else (None, ())
        for picture in pictures:
            keep(picture, self.directory)
        self.tensorboard.conclude(score, pictures, now)
        summary = {
            self.run.clock.name: now,
            **self.run.summary(),
            "seconds": seconds,
            "seconds_with_evaluation": self.seconds(),
            "startup_seconds": self.startup,
            f"{self.run.clock.unit}_per_second": rate,
            "eval": closing.result if closing else None,
            "checkpoint": str(self.checkpoint),
            **origin(),
        }
        write_json(self.directory.summary, summary)
        return closing

    def _evaluate(self) -> Closing | None:
        with contextlib.suppress(EvaluationEnded), evaluation_bar() as show:

            def on_step(done: float) -> None:
                show(done)
                if self.interrupt.raised:
                    raise EvaluationEnded

            return self.run.evaluate(on_step)
        return None
