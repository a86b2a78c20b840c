"""Schedulers and draws of trials for Ray Tune that go on after an interruption as if there had been none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining
from ray.tune.search import BasicVariantGenerator, ConcurrencyLimiter, Searcher, SearchGenerator

from cluster.tuning.snapshots import forget_older, statuses, unfinished
from training.storage.csv_table import rounds_of

KEPT = 4  # checkpoints of a population's trial: with fewer, a donor's may be gone before it is cloned
Config = dict[str, Any]


class ResumablePBT(PopulationBasedTraining):
    """Synchronous population based training (Jaderberg et al. 2017) of any size on `concurrent` places.

    All trials train a round, then the worst quarter clones the best and mutates what it cloned. Tune's own would start
    as many trials as the cluster has room for, and would wait for ever: after an interruption, having forgotten how far
    its trials are, and for a trial that was given up.
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
        """Take in a new trial (it waits for a place), a restored one, or one that comes back after a crash."""
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
        """End a trial's round; with the last one's the worst clone the best. Nobody waits for who was given up."""
        for other, state in self._trial_state.items():
            if other.is_finished():  # among Tune's live trials all the same, if it was given up
                state.last_train_time = self._next_perturbation_sync
        decision: str = super().on_trial_result(tune_controller, trial, result)
        return decision

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The trial that is furthest behind, if there is a place."""
        left = [(trial, state) for trial, state in self._trial_state.items() if not trial.is_finished()]
        sync = self._next_perturbation_sync
        if left and all(trial.status == Trial.PAUSED and state.last_train_time >= sync for trial, state in left):
            # Whom the others waited for was given up, and has no result that would end their round.
            trial, state = left[0]
            state.last_perturbation_time = state.last_train_time - 1  # of before an interruption it would end none
            self.on_trial_result(tune_controller, trial, state.last_result)
        busy = [trial for trial in tune_controller.get_trials() if trial.status in (Trial.RUNNING, Trial.PENDING)]
        return super().choose_trial_to_run(tune_controller) if len(busy) < self.concurrent else None


class ResumableASHA(ASHAScheduler):
    """Asynchronous successive halving (Li et al. 2020): after rounds 1, 3, 9, ... only the best third goes on.

    Tune's own forgets in an interruption what it has seen, and would let the first trials after it go on unjudged.
    """

    def __init__(self, table: Path, rounds: int) -> None:
        super().__init__(time_attr="training_iteration", max_t=rounds, grace_period=1, reduction_factor=3)
        self.table = table

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take in a trial, with the scores that a restored one had."""
        super().on_trial_add(tune_controller, trial)
        done = (trial.last_result or {}).get("training_iteration", 0)
        for row in rounds_of(self.table) if done else []:
            for milestone, scores in self._brackets[0]._rungs:
                if row["trial"] == trial.trial_id and int(row["round"]) == milestone <= done:
                    scores[trial.trial_id] = self._metric_op * float(row[self._metric])


class RandomSearch(BasicVariantGenerator):
    """Draws the first settings of every trial.

    Not finished before its trials are: Tune then keeps the process of a trial that pauses for the next one. After an
    interruption it may have missed the end of one, and leaves that.
    """

    def __init__(self, concurrent: int, seed: int) -> None:
        super().__init__(max_concurrent=concurrent, random_state=seed)
        self.interrupted = False
        self.there: dict[str, str] = {}  # trials that a restored experiment has, and their status

    def next_trial(self) -> Trial | None:
        """The next trial that is not there already: a kill may fall between the two files that Tune writes."""
        live = set(self._live_trials)
        trial = super().next_trial()
        while trial is not None and trial.trial_id in self.there:
            if trial.trial_id not in live:  # it has ended, before the interruption or since
                self._live_trials.discard(trial.trial_id)
            trial = super().next_trial()
        return trial

    def restore_from_dir(self, dirpath: str) -> None:
        """Go on after an interruption, as Tune calls it; only trials that are there take a place."""
        forget_older(Path(dirpath))  # a copy of the driver's, with those of sessions before while Ray lives on
        super().restore_from_dir(dirpath)
        self.there = statuses(Path(dirpath))
        self._live_trials = unfinished(self.there)

    def is_finished(self) -> bool:
        """Whether Tune may end."""
        return bool(super().is_finished() and (self.interrupted or not self._live_trials))

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on after an interruption."""
        super().set_state({**state, "interrupted": True})


class ResumableSearch(SearchGenerator):
    """Lets a searcher draw `concurrent` trials at a time."""

    def __init__(self, searcher: Searcher, concurrent: int) -> None:
        super().__init__(ConcurrencyLimiter(searcher, max_concurrent=concurrent))

    def restore_from_dir(self, dirpath: str) -> None:
        """Go on after an interruption, as Tune calls it; only trials that are there count, and take a place."""
        forget_older(Path(dirpath))  # as in `RandomSearch`
        super().restore_from_dir(dirpath)
        there = statuses(Path(dirpath))
        self._counter = len(there)
        self.searcher.live_trials = unfinished(there)
