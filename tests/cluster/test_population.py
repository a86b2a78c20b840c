"""A population goes on without a trial that was given up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune
from ray.train._internal.session import _TrainingResult
from ray.tune.experiment import Experiment, Trial

from cluster.tuning.schedulers import RandomSearch, ResumablePBT


def drawn(folder: Path) -> list[Trial]:
    """Four trials of one setting."""
    search, values = RandomSearch(0, seed=5), {"rate": tune.uniform(0, 1)}
    search.add_configurations([Experiment("any", print, config=values, num_samples=4, storage_path=str(folder))])
    found = [search.next_trial() for _ in range(4)]
    return [trial for trial in found if trial is not None]


def controller_of(trials: list[Trial]) -> Any:
    """Tune's, which has a trial that was given up among its live ones."""
    return SimpleNamespace(
        search_alg=None,
        get_trials=lambda: trials,
        get_live_trials=lambda: set(trials),
        _schedule_trial_save=lambda trial, result: trial.checkpoint,
    )


def population(controller: Any, monkeypatch: pytest.MonkeyPatch) -> ResumablePBT:
    """A scheduler that has taken in the controller's trials."""
    found = ResumablePBT({"rate": tune.uniform(0, 1)}, lambda config: config, concurrent=4)
    monkeypatch.setattr(found, "_log_config_on_step", lambda *_: None)
    found.set_search_properties("score", "max")
    for trial in controller.get_trials():
        found.on_trial_add(controller, trial)
    return found


def report(scheduler: ResumablePBT, controller: Any, trial: Trial, score: float, number: int = 1) -> None:
    """The first round of a trial or another one, as Tune goes about it."""
    trial.set_status(Trial.RUNNING)
    result = {"training_iteration": number, "score": score}
    saved = _TrainingResult(tune.Checkpoint(f"/{trial.trial_id}"), result)
    trial.run_metadata.checkpoint_manager._latest_checkpoint_result = saved
    scheduler.on_trial_result(controller, trial, result)
    trial.run_metadata.last_result = result
    trial.set_status(Trial.PAUSED)


@pytest.mark.parametrize("given_up", ["before the others' results", "after them", "after an interruption"])
def test_nobody_waits_for_a_trial_that_was_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_up: str
) -> None:
    """The others' round ends as ever: the worst of them clones the best, and all have another one before them."""
    trials = drawn(tmp_path)
    controller, lost = controller_of(trials), trials[3]
    scheduler = population(controller, monkeypatch)
    if given_up == "before the others' results":
        lost.set_status(Trial.ERROR)
    for score, trial in enumerate(trials[:3]):
        report(scheduler, controller, trial, float(score))
    if given_up == "after an interruption":
        scheduler = population(controller, monkeypatch)
    lost.set_status(Trial.ERROR)
    assert scheduler.choose_trial_to_run(controller) in trials[:3]
    assert [trial.checkpoint.path for trial in trials[:3]] == [f"/{trials[number].trial_id}" for number in (2, 1, 2)]
    assert scheduler._num_perturbations == 1
    assert scheduler._next_perturbation_sync == 2


def test_a_trial_that_is_tried_again_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tune gives a trial up for a moment before it tries it again."""
    trials = drawn(tmp_path)
    controller, late = controller_of(trials), trials[3]
    scheduler = population(controller, monkeypatch)
    for score, trial in enumerate(trials[:3]):
        report(scheduler, controller, trial, float(score))
    late.set_status(Trial.ERROR)
    scheduler.on_trial_error(controller, late)
    late.set_status(Trial.PENDING)
    scheduler.on_trial_add(controller, late)
    assert scheduler.choose_trial_to_run(controller) is late
    assert scheduler._num_perturbations == 0
    report(scheduler, controller, late, 3.0)
    assert trials[0].checkpoint.path == f"/{late.trial_id}"
    assert scheduler._next_perturbation_sync == 2


def test_a_round_that_is_trained_again_ends_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its checkpoint was lost with the trial's process, while the others are a round further."""
    trials = drawn(tmp_path)
    controller, again = controller_of(trials), trials[3]
    scheduler = population(controller, monkeypatch)
    for score, trial in enumerate(trials):
        report(scheduler, controller, trial, float(score))
    again.set_status(Trial.ERROR)
    scheduler.on_trial_error(controller, again)
    again.set_status(Trial.PENDING)
    scheduler.on_trial_add(controller, again)
    for score, trial in enumerate(trials[:3]):
        report(scheduler, controller, trial, float(score), 2)
    report(scheduler, controller, again, 3.0)
    assert (scheduler._num_perturbations, scheduler._next_perturbation_sync) == (1, 2)
    report(scheduler, controller, again, 3.0, 2)
    assert (scheduler._num_perturbations, scheduler._next_perturbation_sync) == (2, 3)
