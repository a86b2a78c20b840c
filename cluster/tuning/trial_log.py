"""The table of a sweep as it grows, what is said of it on the terminal, and its trials in TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import pstdev
from typing import Any

from ray import tune
from torch.utils.tensorboard import SummaryWriter

from training.csv_table import Row, append_row, rounds_of

MEASURED = ("trial", "round", "agent_steps", "seconds", "score", "spread")


class Ledger(tune.Callback):
    """Writes every round of every trial into one table and into TensorBoard, and says it."""

    def __init__(self, table: Path, tensorboard: Path, rounds: int, names: tuple[str, ...]) -> None:
        self.table, self.tensorboard, self.rounds, self.names = table, tensorboard, rounds, names
        self.writers: dict[str, SummaryWriter] = {}  # of the trials that run

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Row, **info: Any) -> None:
        """Called by Tune in the driver."""
        row = {**result, **result["settings"], "trial": trial.trial_id, "round": result["training_iteration"]}
        row |= {"seconds": round(result["time_total_s"], 1), "spread": pstdev(result["scores"])}
        append_row(self.table, (*MEASURED, *self.names), row)
        said = ", ".join(f"{name.rpartition('.')[2]} {_short(value)}" for name, value in result["settings"].items())
        of = f"{row['trial']} round {row['round']}/{self.rounds}"
        print(f"{of}: {result['score']:.2f} after {result['agent_steps']:,} agent steps  ({said})", file=sys.stderr)
        sys.stderr.flush()
        writer = self._writer(trial.trial_id)
        scalars = {"sweep/score": result["score"], **result["scalars"]}
        scalars |= {f"sweep/score_of_seed_{index}": score for index, score in enumerate(result["scores"])}
        for name, value in scalars.items():
            writer.add_scalar(name, value, result["agent_steps"])
        writer.flush()

    def _writer(self, trial: str) -> SummaryWriter:
        if trial not in self.writers:
            self.writers[trial] = SummaryWriter(str(self.tensorboard / trial))
        return self.writers[trial]

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial is over: TensorBoard's table of hyperparameters gets its line."""
        mine = [row for row in rounds_of(self.table) if row["trial"] == trial.trial_id]
        if mine:
            writer, score = self._writer(trial.trial_id), {"sweep/score": float(mine[-1]["score"])}
            writer.add_hparams(trial.config, score, run_name=".", global_step=int(mine[-1]["agent_steps"]))
            writer.close()
            del self.writers[trial.trial_id]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
