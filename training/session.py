"""A training session: progress line, TensorBoard, checkpoints, curve and summary, for any `training.run.Run`.

Ctrl-C saves and ends it.
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
    """The closing evaluation was interrupted."""


def keep(picture: Picture, directory: RunDir) -> None:
    """Write a picture to the run directory, if it has a file name."""
    if picture.file:
        file = directory.path / picture.file
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, picture.data)


class Session:
    """Drives a run until its settings or an interrupt end it."""

    def __init__(self, run: Run, directory: RunDir, interrupt: Interrupt, started: float) -> None:
        self.run, self.directory, self.interrupt = run, directory, interrupt
        self.began, self.startup = started, 0.0  # seconds until the first step was done
        self.started = started - run.seconds  # shifted by the earlier parts of a resumed run
        self.now = run.clock.now  # at the last look
        self.first, self.first_time = self.now, time.monotonic()
        self.before = self.now, time.monotonic()
        directory.rewind(self.now)
        self.tensorboard = TensorBoard(directory, run.about, self.now)
        self.reported = self.saved = time.monotonic()
        self.saved_at = self.now
        self.checkpoint: Path | None = None

    def seconds(self) -> float:
        """Return the wall-clock seconds of the run, including start-up and resumed parts."""
        return time.monotonic() - self.started

    def rate(self) -> float:
        """Return the clock rate per second in this process, including work lost with a learner."""
        return (self.run.clock.now - self.first) / max(time.monotonic() - self.first_time, 1e-9)

    def train(self) -> None:
        """Train to the end or until an interrupt, and save.

        Raises:
            CannotGoOn: training cannot continue; the state is saved if it is consistent.
            FloatingPointError: training has diverged; the last checkpoint is older.
        """
        try:
            whole = False
            while not whole:
                self._train()
                self._save()
                whole = self.interrupt.raised or self._finished()  # else saving lost a learner: continue
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
        if every := self.run.about.checkpoint_every:  # independent of the speed of the machine
            return self.run.clock.now // every > self.saved_at // every
        return time.monotonic() - self.saved >= 60 * self.run.about.checkpoint_minutes

    def _look_at_clock(self) -> None:
        """Update the clock; if a lost learner has rewound it to a checkpoint, discard later reports."""
        now = self.run.clock.now
        if now < self.now:
            self.directory.rewind(now)
            self.tensorboard.rewind(now)
            self.first -= self.now - now  # the rate includes discarded work
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
        if self.directory.curve_csv.exists():  # a failing run may be saved before its first report
            self.run.draw_curve(self.directory.curve_csv, self.directory.curve_png)
        self.saved, self.saved_at = time.monotonic(), self.run.clock.now

    def _report(self, line: LiveLine, *, last: bool = False) -> None:
        """Write scalars, histograms and pictures to TensorBoard, append to the curve, update the progress line."""
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
        """Return the rates in this process and since the last report, and system metrics."""
        (before, then), now, seconds = self.before, self.run.clock.now, time.monotonic()
        scalars = {f"run/{self.run.clock.name}_per_second": self.rate(), **machine()}
        if now > before:  # two reports at the same point give no rate
            scalars["throughput/run"] = (now - before) / max(seconds - then, 1e-9)
            self.before = now, seconds
        return Record(now, scalars)

    def _progress(self) -> tuple[float, str]:
        """Return the progress towards the earliest end, 0..1, and the progress line."""
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
        """Run the closing evaluation, unless training was interrupted, and write summary.json; return the result.

        An interrupt ends the evaluation; the summary then has none.
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
