"""Equal budgets: with any scheduler, a sweep trains trials * rounds rounds in total.

Rounds saved by early stopping are spent on further trials. They are counted in the table of rounds, so that a resumed
sweep knows them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from cluster.tuning.schedulers import RandomSearch
from training.storage.csv_table import Row, rounds_of


class Budget(tune.Stopper):
    """Stops a trial after its rounds, or when the sweep's rounds are spent."""

    def __init__(self, table: Path, rounds: int, budget: int) -> None:
        self.table, self.rounds, self.budget = table, rounds, budget

    def __call__(self, trial_id: str, result: Row) -> bool:
        """Return whether the trial ends. Its newest round may already be in the table, if repeated after a crash."""
        newest = int(result["training_iteration"])
        trained = {(row["trial"], int(row["round"])) for row in rounds_of(self.table)} | {(trial_id, newest)}
        return newest >= self.rounds or len(trained) >= self.budget

    def stop_all(self) -> bool:
        """Return False: trials stopped this way would not save their last round."""
        return False


class BudgetedSearch(RandomSearch):
    """Random search until the sweep's rounds are spent."""

    def __init__(self, table: Path, budget: int, concurrent: int, seed: int) -> None:
        super().__init__(concurrent, seed)
        self.table, self.budget = table, budget

    def next_trial(self) -> Trial | None:
        """Return the next trial, None if none is due or the budget is spent."""
        if len(rounds_of(self.table)) >= self.budget:
            self.set_finished()
            return None  # `super` would still create trials while others run
        return super().next_trial()


class BudgetedOptuna(OptunaSearch):
    """Optuna search until the sweep's rounds are spent.

    Ignores results of trials that are unknown to it because Tune was killed before it saved their creation.
    """

    def __init__(self, table: Path, budget: int, seed: int) -> None:
        super().__init__(seed=seed)
        self.table, self.budget = table, budget

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's settings, unless the budget is spent."""
        return Searcher.FINISHED if len(rounds_of(self.table)) >= self.budget else super().suggest(trial_id)

    def on_trial_result(self, trial_id: str, result: Row) -> None:
        """Report the score of a round to Optuna."""
        if trial_id in self._ot_trials:
            super().on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: Row | None = None, error: bool = False) -> None:
        """Report a trial's last score to Optuna."""
        if trial_id in self._ot_trials:
            super().on_trial_complete(trial_id, result, error)
