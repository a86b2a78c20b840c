"""A sweep trains no more rounds than its budget."""

from __future__ import annotations

from pathlib import Path

from ray import tune
from ray.tune.experiment import Experiment

from cluster.tuning.budget import Budget, BudgetedSearch
from training.storage.csv_table import append_row


def test_nothing_is_drawn_once_the_rounds_are_spent(tmp_path: Path) -> None:
    """With the budget spent, no further trial is drawn, and the search ends once the running trials have ended."""
    table = tmp_path / "rounds.csv"
    search, values = BudgetedSearch(table, budget=2, concurrent=3, seed=5), {"rate": tune.uniform(0, 1)}
    search.add_configurations([Experiment("any", print, config=values, num_samples=9, storage_path=str(tmp_path))])
    drawn = [search.next_trial(), search.next_trial()]
    names = [trial.trial_id for trial in drawn if trial is not None]
    assert len(names) == 2
    for name in names:
        append_row(table, ("trial", "round"), {"trial": name, "round": 1})
    assert search.next_trial() is None
    assert not search.is_finished(), "before its trials are"
    for name in names:
        search.on_trial_complete(name)
    assert search.next_trial() is None
    assert search.is_finished()


def test_a_round_that_is_trained_again_is_spent_once(tmp_path: Path) -> None:
    """A round that is repeated after a kill counts once: its row was in the table, but not yet in Tune's state."""
    table = tmp_path / "rounds.csv"
    stop = Budget(table, rounds=3, budget=4)
    for name, number in (("a", 1), ("b", 1), ("a", 2)):
        append_row(table, ("trial", "round"), {"trial": name, "round": number})
    assert not stop("a", {"training_iteration": 2}), "three of four"
    assert stop("b", {"training_iteration": 2}), "the fourth"
    assert not stop("a", {"training_iteration": 1})
    assert stop("a", {"training_iteration": 3}), "its own end"
