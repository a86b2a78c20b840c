"""What a GAN sweep searches and by which scheduler: population based training, asynchronous halving, random search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from cluster.tuning.gan_trial import searched
from cluster.tuning.schedulers import Draws, Halving, Population
from gan.standard.settings import GanSettings
from training.csv_table import rounds_of

SPREAD = 10.0  # rates and penalty weight are searched from a tenth to ten times the preset's
RATES = ("training.generator_rate", "training.discriminator_rate")
LOSSES = (  # neighbours are what a mutation goes to
    "relativistic/r1r2", "relativistic/r1", "nonsaturating/r1r2", "nonsaturating/r1", "least_squares/r1", "hinge/r1",
    "hinge/none", "wasserstein/gradient", "nonsaturating/none", "least_squares/none",
)  # fmt: skip
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


def scheduler_of(name: str, settings: GanSettings, table: Path, rounds: int, concurrent: int) -> TrialScheduler:
    """The scheduler called pbt, asha or random, of the sweep whose ledger `table` is."""
    if name == "pbt":
        bounds = bounds_of(settings)
        rates: dict[str, Any] = {name: tune.loguniform(*ends) for name, ends in bounds.items()}
        return Population({**rates, "loss": losses_for(settings)}, Within(bounds), concurrent)
    if name == "asha":
        return Halving(table, rounds)
    return FIFOScheduler()


class Metered(Draws):
    """Draws until the sweep's rounds are spent."""

    def __init__(self, ledger: Path, budget: int, concurrent: int, seed: int) -> None:
        super().__init__(concurrent, seed)
        self.ledger, self.budget = ledger, budget

    def next_trial(self) -> Trial | None:
        """The next trial, if there is a place and something left to train."""
        if len(rounds_of(self.ledger)) >= self.budget:
            self.set_finished()
        return super().next_trial()
