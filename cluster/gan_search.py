"""What a GAN sweep searches and by which scheduler: population based training, asynchronous halving, random search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search import BasicVariantGenerator

from cluster.gan_ledger import rounds_of
from cluster.gan_trial import searched
from gan.config import GanSettings

SPREAD = 10.0  # rates and penalty weight are searched from a tenth to ten times the preset's
RATES = ("training.generator_rate", "training.discriminator_rate")
LOSSES = (  # neighbours are what a mutation goes to
    "relativistic/r1r2", "relativistic/r1", "nonsaturating/r1r2", "nonsaturating/r1", "least_squares/r1", "hinge/r1",
    "hinge/none", "wasserstein/gradient", "nonsaturating/none", "least_squares/none",
)  # fmt: skip
KEPT = 4  # checkpoints of a trial: with fewer, a donor's may be gone before it is cloned
Bounds = dict[str, tuple[float, float]]


def bounds_of(settings: GanSettings) -> Bounds:
    """Least and greatest value of everything that is searched on a logarithmic scale."""
    middle = {RATES[0]: settings.training.generator_rate, RATES[1]: settings.training.discriminator_rate}
    if any(not loss.endswith("/none") for loss in losses_for(settings)):
        middle["loss.weight"] = settings.loss.weight or 1.0
    return {name: (value / SPREAD, value * SPREAD) for name, value in middle.items()}


def losses_for(settings: GanSettings) -> list[str]:
    """Losses with their penalty that the preset's networks allow; without batch norm, all those with a penalty."""
    found = []
    for loss in LOSSES:
        try:
            searched(settings, {"loss": loss})
        except ValueError:  # an illegal mix
            continue
        found.append(loss)
    with_penalty = [loss for loss in found if not loss.endswith("/none")]
    spectral = settings.network.discriminator_norm == "spectral"
    return found if spectral or not with_penalty else with_penalty


def space_of(settings: GanSettings) -> dict[str, Any]:
    """What a trial's first settings are drawn from."""
    ranges = {name: tune.loguniform(*bounds) for name, bounds in bounds_of(settings).items()}
    return {**ranges, "loss": tune.choice(losses_for(settings))}


class Within:
    """Brings mutated values back into their bounds: the mutations multiply, and know no end."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds

    def __call__(self, config: dict[str, Any]) -> dict[str, Any]:
        """The same settings, none out of bounds."""
        held = {name: min(max(config[name], low), high) for name, (low, high) in self.bounds.items()}
        return {**config, **held}


class Population(PopulationBasedTraining):
    """Synchronous population based training (Jaderberg et al. 2017) of any size on `concurrent` places.

    All trials train a round, then the worst quarter clones the best and mutates what it cloned. Tune's own would start
    as many trials as the cluster has room for, and would wait for ever after an interruption, having forgotten how far
    its trials are.
    """

    def __init__(self, settings: GanSettings, concurrent: int) -> None:
        bounds = bounds_of(settings)
        super().__init__(
            time_attr="training_iteration",
            perturbation_interval=1,
            hyperparam_mutations={
                **{name: tune.loguniform(*ends) for name, ends in bounds.items()},
                "loss": losses_for(settings),
            },
            custom_explore_fn=Within(bounds),
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

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The trial that is furthest behind, if there is a place."""
        busy = [trial for trial in tune_controller.get_trials() if trial.status in (Trial.RUNNING, Trial.PENDING)]
        return super().choose_trial_to_run(tune_controller) if len(busy) < self.concurrent else None


def scheduler_of(name: str, settings: GanSettings, rounds: int, concurrent: int) -> TrialScheduler:
    """The scheduler called pbt, asha or random."""
    if name == "pbt":
        return Population(settings, concurrent)
    if name == "asha":
        return ASHAScheduler(time_attr="training_iteration", max_t=rounds, grace_period=1, reduction_factor=3)
    return FIFOScheduler()


class Draws(BasicVariantGenerator):
    """Draws the first settings of every trial, until the sweep's rounds are spent.

    Not finished before its trials are: Tune then keeps the process of a trial that pauses for the next one. After an
    interruption it may have missed the end of one, and leaves that.
    """

    def __init__(self, ledger: Path, budget: int, concurrent: int, seed: int) -> None:
        super().__init__(max_concurrent=concurrent, random_state=seed)
        self.ledger, self.budget, self.interrupted = ledger, budget, False

    def next_trial(self) -> Trial | None:
        """The next trial, if there is a place and something left to train."""
        if len(rounds_of(self.ledger)) >= self.budget:
            self.set_finished()
        return super().next_trial()

    def is_finished(self) -> bool:
        """Whether Tune may end."""
        return bool(super().is_finished() and (self.interrupted or not self._live_trials))

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on after an interruption."""
        super().set_state({**state, "interrupted": True})
