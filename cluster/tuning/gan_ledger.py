"""The table of a GAN sweep: every round of every trial, written as it comes, counted by whoever decides."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ray import tune

from cluster.tuning.gan_trial import REPORTED
from training.csv_table import Row, append_row, rounds_of

SETTINGS = ("loss", "weight", "generator_rate", "discriminator_rate")
ROUND_COLUMNS = ("trial", "round", "images", "seconds", *REPORTED, "diverged", *SETTINGS)


class Ledger(tune.Callback):
    """Writes every round of every trial into one table, and says it."""

    def __init__(self, table: Path, rounds: int) -> None:
        self.table, self.rounds = table, rounds

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Row, **info: Any) -> None:
        """Called by Tune in the driver."""
        row = {**result, "trial": trial.trial_id, "round": result["training_iteration"]}
        append_row(self.table, ROUND_COLUMNS, {**row, "seconds": round(result["time_total_s"], 1)})
        found = "diverged" if result["diverged"] else f"fd_clf {result['fd_clf']:.2f}"
        settings = f"{result['loss']} weight {result['weight']:.3g}, rates {result['generator_rate']:.2g}"
        said = f"{row['trial']} round {row['round']}/{self.rounds}: {found}  ({settings}"
        print(f"{said} and {result['discriminator_rate']:.2g})", file=sys.stderr, flush=True)


class Budget(tune.Stopper):
    """Ends a trial after its rounds, or when the sweep's rounds are spent, by however many trials.

    It counts in the table, so that it knows after an interruption what was trained before.
    """

    def __init__(self, table: Path, rounds: int, budget: int) -> None:
        self.table, self.rounds, self.budget = table, rounds, budget

    def __call__(self, trial_id: str, result: Row) -> bool:
        """Whether this trial ends; its newest round is not in the table yet."""
        return bool(result["training_iteration"] >= self.rounds or len(rounds_of(self.table)) + 1 >= self.budget)

    def stop_all(self) -> bool:
        """Never: trials that are stopped from outside do not save their last round."""
        return False
