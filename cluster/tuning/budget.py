"""Equal budgets: whatever the scheduler, a sweep trains as many rounds as its trials have in all.

What a scheduler saves by stopping trials early is spent on further ones. Everything is counted in the table of rounds,
so that it is known after an interruption, too.
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
    """Ends a trial after its rounds, or when the sweep's rounds are spent, by however many trials."""

    def __init__(self, table: Path, rounds: int, budget: int) -> None:
        self.table, self.rounds, self.budget = table, rounds, budget

    def __call__(self, trial_id: str, result: Row) -> bool:
        """Whether this trial ends; its newest round may be in the table: it is trained again after a crash."""
        newest = int(result["training_iteration"])
        trained = {(row["trial"], int(row["round"])) for row in rounds_of(self.table)} | {(trial_id, newest)}
        return newest >= self.rounds or len(trained) >= self.budget

    def stop_all(self) -> bool:
        """Never: trials that are stopped from outside do not save their last round."""
        return False


class BudgetedSearch(RandomSearch):
    """Draws until the sweep's rounds are spent."""

    def __init__(self, table: Path, budget: int, concurrent: int, seed: int) -> None:
        super().__init__(concurrent, seed)
        self.table, self.budget = table, budget

    def next_trial(self) -> Trial | None:
        """The next trial, if there is a place and something left to train."""
        if len(rounds_of(self.table)) >= self.budget:
            self.set_finished()
            return None  # it is not finished while a trial lives, and would draw
        return super().next_trial()


class BudgetedOptuna(OptunaSearch):
    """Lets optuna draw until the sweep's rounds are spent.

    It learns nothing from trials that it does not know: Tune was killed before it wrote down that they were drawn.
    """

    def __init__(self, table: Path, budget: int, seed: int) -> None:
        super().__init__(seed=seed)
        self.table, self.budget = table, budget

    def suggest(self, trial_id: str) -> Any:
        """The next trial's settings, if something is left to train."""
        return Searcher.FINISHED if len(rounds_of(self.table)) >= self.budget else super().suggest(trial_id)

    def on_trial_result(self, trial_id: str, result: Row) -> None:
        """Take in the score of a round."""
        if trial_id in self._ot_trials:
            super().on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: Row | None = None, error: bool = False) -> None:
        """Take in a trial's last score."""
        if trial_id in self._ot_trials:
            super().on_trial_complete(trial_id, result, error)
