"""Schedulers and search algorithms for Ray Tune that resume exactly after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining
from ray.tune.search import BasicVariantGenerator, ConcurrencyLimiter, Searcher, SearchGenerator

from cluster.tuning.snapshots import forget_older, statuses, unfinished
from training.storage.csv_table import rounds_of

KEPT = 4  # checkpoints per trial of a population; with fewer, a donor's may be deleted before it is cloned
Config = dict[str, Any]


class ResumablePBT(PopulationBasedTraining):
    """Synchronous population based training (Jaderberg et al. 2017), with `concurrent` trials at a time.

    All trials train a round, then the worst quarter clones the best and mutates the clones. Tune's scheduler starts as
    many trials as fit on the cluster, and deadlocks after a restore, when it has lost the trials' progress, and when a
    trial has failed.
    """

    def __init__(self, mutations: dict[str, Any], within: Callable[[Config], Config], concurrent: int) -> None:
        super().__init__(
            time_attr="training_iteration",
            perturbation_interval=1,
            hyperparam_mutations=mutations,
            custom_explore_fn=within,
            synch=True,
        )
        self.concurrent = concurrent

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Add a new, restored or retried trial."""
        back = trial in self._trial_state
        super().on_trial_add(tune_controller, trial)
        state, last = self._trial_state[trial], trial.last_result or {}
        if self._metric in last:
            state.last_train_time = state.last_perturbation_time = last["training_iteration"]
            state.last_score, state.last_result = self._metric_op * last[self._metric], last
        if not back and not trial.is_finished():
            trial.set_status(Trial.PAUSED)
            times = [state.last_train_time for state in self._trial_state.values()]
            behind = min(times) < max(times)
            self._next_perturbation_sync = max(times) if behind else max(times) + 1

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: Config) -> str:
        """End a trial's round; after the last trial's, the worst clone the best. Failed trials are not waited for."""
        for other, state in self._trial_state.items():
            if other.is_finished():  # Tune keeps failed trials among the live ones
                state.last_train_time = self._next_perturbation_sync
        decision: str = super().on_trial_result(tune_controller, trial, result)
        return decision

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return the trial that is furthest behind, None if all places are taken."""
        left = [(trial, state) for trial, state in self._trial_state.items() if not trial.is_finished()]
        sync = self._next_perturbation_sync
        if left and all(trial.status == Trial.PAUSED and state.last_train_time >= sync for trial, state in left):
            # The last trial of the round has failed, so no result will end it.
            trial, state = left[0]
            state.last_perturbation_time = state.last_train_time - 1  # else a restored one would not end it
            self.on_trial_result(tune_controller, trial, state.last_result)
        busy = [trial for trial in tune_controller.get_trials() if trial.status in (Trial.RUNNING, Trial.PENDING)]
        return super().choose_trial_to_run(tune_controller) if len(busy) < self.concurrent else None


class ResumableASHA(ASHAScheduler):
    """Asynchronous successive halving (Li et al. 2020): after rounds 1, 3, 9, ... the best third continues.

    Tune's scheduler loses its history when it is restored, and would not stop the first trials after that.
    """

    def __init__(self, table: Path, rounds: int) -> None:
        super().__init__(time_attr="training_iteration", max_t=rounds, grace_period=1, reduction_factor=3)
        self.table = table

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Add a trial, with the recorded scores of a restored one."""
        super().on_trial_add(tune_controller, trial)
        done = (trial.last_result or {}).get("training_iteration", 0)
        for row in rounds_of(self.table) if done else []:
            for milestone, scores in self._brackets[0]._rungs:
                if row["trial"] == trial.trial_id and int(row["round"]) == milestone <= done:
                    scores[trial.trial_id] = self._metric_op * float(row[self._metric])


class RandomSearch(BasicVariantGenerator):
    """Random search.

    It is not finished before its trials are, so that Tune reuses the process of a paused trial. After a restore it may
    have missed the end of a trial, so it no longer waits for its trials.
    """

    def __init__(self, concurrent: int, seed: int) -> None:
        super().__init__(max_concurrent=concurrent, random_state=seed)
        self.interrupted = False
        self.there: dict[str, str] = {}  # status of the trials of a restored experiment

    def next_trial(self) -> Trial | None:
        """Return the next new trial; after a kill, Tune's two state files may differ in the last ones."""
        live = set(self._live_trials)
        trial = super().next_trial()
        while trial is not None and trial.trial_id in self.there:
            if trial.trial_id not in live:  # it has ended
                self._live_trials.discard(trial.trial_id)
            trial = super().next_trial()
        return trial

    def restore_from_dir(self, dirpath: str) -> None:
        """Restore the state, called by Tune; only existing trials take a place."""
        forget_older(Path(dirpath))  # a copy of the driver's folder, which may have files of earlier sessions
        super().restore_from_dir(dirpath)
        self.there = statuses(Path(dirpath))
        self._live_trials = unfinished(self.there)

    def is_finished(self) -> bool:
        """Return whether Tune may end."""
        return bool(super().is_finished() and (self.interrupted or not self._live_trials))

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        super().set_state({**state, "interrupted": True})


class ResumableSearch(SearchGenerator):
    """Limits a searcher to `concurrent` trials."""

    def __init__(self, searcher: Searcher, concurrent: int) -> None:
        super().__init__(ConcurrencyLimiter(searcher, max_concurrent=concurrent))

    def restore_from_dir(self, dirpath: str) -> None:
        """Restore the state, called by Tune; only existing trials count and take a place."""
        forget_older(Path(dirpath))  # as in `RandomSearch`
        super().restore_from_dir(dirpath)
        there = statuses(Path(dirpath))
        self._counter = len(there)
        self.searcher.live_trials = unfinished(there)
