"""A sweep by optuna goes on after a kill, whichever of Tune's files is the newer one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.tune.experiment import Experiment, Trial

from cluster.tuning.budget import BudgetedOptuna
from cluster.tuning.schedulers import ResumableSearch
from tests.cluster.test_snapshots import SUMMER, WINTER, write_state


def searched(folder: Path, places: int) -> ResumableSearch:
    """Draws up to four trials of one setting on so many places, out of a pickle as Tune has it."""
    search: Any = ResumableSearch(BudgetedOptuna(folder / "rounds.csv", budget=9, seed=5), places)
    search = cloudpickle.loads(cloudpickle.dumps(search))
    values = {"rate": tune.uniform(0, 1)}
    search.set_search_properties("score", "max", values)
    search.add_configurations([Experiment("any", print, config=values, num_samples=4, storage_path=str(folder))])
    assert isinstance(search, ResumableSearch)
    return search


def drawn_by(search: ResumableSearch) -> str:
    """The next trial's name."""
    trial = search.next_trial()
    assert trial is not None, "there is a place"
    return str(trial.trial_id)


def end(search: ResumableSearch, trial: str) -> None:
    """A trial's only round."""
    result = {"score": 1.0, "training_iteration": 1}
    search.on_trial_result(trial, result)
    search.on_trial_complete(trial, result)


def restored(folder: Path, places: int) -> ResumableSearch:
    """The searcher of the sweep that goes on."""
    search = searched(folder.parent, places)
    search.restore_from_dir(str(folder))
    return search


def test_a_trial_that_only_optuna_knows_takes_no_place(tmp_path: Path) -> None:
    """Killed after Tune had written that a second trial was drawn, and before it wrote that there is one."""
    whole, torn = searched(tmp_path, places=1), tmp_path / "trials"
    torn.mkdir()
    first = drawn_by(whole)
    end(whole, first)
    drawn_by(whole)
    whole.save_to_dir(str(torn), "2026")
    write_state(torn, {first: Trial.TERMINATED})
    other = restored(torn, places=1)
    for _ in range(3):
        end(other, drawn_by(other))
    assert other.next_trial() is None
    assert other.is_finished(), "there are four trials"


def test_a_trial_that_optuna_does_not_know_takes_a_place_until_it_ends(tmp_path: Path) -> None:
    """Killed after Tune had written that there are two trials, and before it wrote that the second was drawn."""
    whole, torn = searched(tmp_path, places=2), tmp_path / "trials"
    torn.mkdir()
    first = drawn_by(whole)
    whole.save_to_dir(str(torn), "2026")
    second = drawn_by(whole)
    write_state(torn, {first: Trial.RUNNING, second: Trial.PENDING})
    other = restored(torn, places=2)
    assert other.next_trial() is None, "both places are taken"
    end(other, second)
    third = drawn_by(other)
    assert other.next_trial() is None
    end(other, first)
    end(other, third)
    drawn_by(other)
    assert other.is_finished(), "there are four trials"


def test_the_newest_state_is_the_one_that_began_last(tmp_path: Path) -> None:
    """Whatever its name says, which is of local time."""
    folder, search = tmp_path / "trials", searched(tmp_path, places=2)
    folder.mkdir()
    first = drawn_by(search)
    search.save_to_dir(str(folder), SUMMER)
    write_state(folder, {first: Trial.RUNNING}, SUMMER, began=1_000.0)
    second = drawn_by(search)
    search.save_to_dir(str(folder), WINTER)
    write_state(folder, dict.fromkeys((first, second), Trial.RUNNING), WINTER, began=2_200.0)
    other = restored(folder, places=2)
    assert other.searcher.live_trials == {first, second}
    assert set(other.searcher.searcher._ot_trials) == {first, second}
