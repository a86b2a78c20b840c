"""Table of rounds, progress messages and TensorBoard events of a sweep."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import pstdev
from typing import Any

from ray import cloudpickle, tune
from ray.tune.experiment import Trial
from torch.utils.tensorboard import SummaryWriter

from cluster.tuning.trial import picture_name
from training.errors import CannotGoOn
from training.messages import one_line
from training.run import Picture
from training.search import Metric
from training.storage.csv_table import Row, append_row, rounds_of
from training.tensorboard import add_picture, open_events


class TrialLog(tune.Callback):
    """Writes every round of every trial to a table and to TensorBoard, and prints it.

    Columns: trial, round, the clock of its runs (named `clock`), seconds, score and its spread over seeds, other
    figures of the metric, whether it has diverged, the searched settings (`names`), the score of the kept model if any.
    Ends the sweep if the first `concurrent` trials fail in their first round.
    """

    def __init__(
        self, folder: Path, rounds: int, metric: Metric, clock: str, names: tuple[str, ...], concurrent: int
    ) -> None:
        self.folder, self.rounds, self.metric, self.clock = folder, rounds, metric, clock
        self.least = max(2, concurrent)  # number of trials failing in their first round that ends the sweep
        told = (metric.name, "spread", *metric.beside, "diverged", *names)
        kept = ("kept",) if metric.kept else ()  # last, since tables of older versions lack this column
        self.columns = ("trial", "round", clock, "seconds", *told, *kept)
        self.writers: dict[str, SummaryWriter] = {}  # of running trials
        self.ending: Exception | None = None  # error that ends the sweep

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Row, **info: Any) -> None:
        """Write a round; called by Tune in the driver."""
        row = {**result, **result["settings"], "trial": trial.trial_id, "round": result["training_iteration"]}
        row |= {"seconds": round(result["time_total_s"], 1), "spread": pstdev(result["scores"])}
        append_row(self.folder / "rounds.csv", self.columns, {**row, self.clock: result["now"]})
        settings = ", ".join(f"{_name(name)} {_short(value)}" for name, value in result["settings"].items())
        found = "diverged" if result["diverged"] else f"{self.metric.name} {result[self.metric.name]:.2f}"
        after = f"after {result['now']:,} {self.clock.replace('_', ' ')}"
        said = f"{row['trial']} round {row['round']}/{self.rounds}: {found} {after}  ({settings})"
        print(said, file=sys.stderr, flush=True)
        self._show(trial.trial_id, result)

    def _show(self, trial: str, result: Row) -> None:
        writer, now = self._writer(trial), result["now"]
        scalars = {name: result[name] for name in (self.metric.name, *self.metric.beside)}
        scalars |= {f"{self.metric.name}_of_seed_{index}": score for index, score in enumerate(result["scores"])}
        if not result["diverged"]:
            for name, value in (
                {f"sweep/{name}": value for name, value in scalars.items()} | result["scalars"]
            ).items():
                writer.add_scalar(name, value, now)
        picture = self.folder / "pictures" / picture_name(trial, now)
        if picture.exists():
            add_picture(writer, Picture("samples", picture.read_bytes(), now))
        writer.flush()

    def _writer(self, trial: str) -> SummaryWriter:
        if trial not in self.writers:
            self.writers[trial] = open_events(self.folder / "tensorboard" / trial)
        return self.writers[trial]

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Write a finished trial to TensorBoard's table of hyperparameters."""
        try:
            self._conclude(trial)
        except OSError as error:  # Tune would attribute it to the trial and train it further
            self.ending = error

    def _conclude(self, trial: Any) -> None:
        mine = [row for row in rounds_of(self.folder / "rounds.csv") if row["trial"] == trial.trial_id]
        if mine:
            name = self.metric.name
            writer, score = self._writer(trial.trial_id), {f"sweep/{name}": float(mine[-1][name])}
            writer.add_hparams(trial.config, score, run_name=".", global_step=int(mine[-1][self.clock]))
            writer.close()
            del self.writers[trial.trial_id]

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Report a trial that failed for good."""
        found = why(_error_of(trial))
        print(f"{trial.trial_id} failed: {found}", file=sys.stderr, flush=True)
        begun = [one for one in trials if one.run_metadata.start_time is not None]
        first = sorted(begun, key=lambda one: float(one.run_metadata.start_time))[: self.least]
        failed = len(first) == self.least and all(one.status == Trial.ERROR for one in first)
        if failed and not rounds_of(self.folder / "rounds.csv"):
            said = f"the first {self.least} trials have failed, and none has finished a round: {found}"
            self.ending = CannotGoOn(f"{said}; mend that, then start anew, or go on with --resume")

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """End the sweep if it cannot continue; exceptions are only propagated from this callback.

        Raises:
            OSError: the table or the events could not be written.
            CannotGoOn: the first trials have all failed.
        """
        if self.ending is not None:
            raise self.ending


def why(error: Any) -> str:
    """Return a trial's error as one line, without Ray's wrappers; Tune may have kept it as text only."""
    if isinstance(error, str):
        return error.strip().rpartition("\n")[2]
    return one_line(getattr(error, "cause", None) or error)


def _error_of(trial: Any) -> Any:
    """Return the error of a trial that has just failed, from the driver's file."""
    if trial.pickled_error_file:
        return cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return Path(trial.error_file).read_text()


def _name(setting: str) -> str:
    return "/".join(one.rpartition(".")[2] for one in setting.split("+"))


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
