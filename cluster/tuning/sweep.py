"""Options of sweeps, and running them with Ray Tune."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import tyro
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import SearchAlgorithm

from cluster.tuning.budget import Budget, BudgetedOptuna, BudgetedSearch
from cluster.tuning.schedulers import KEPT, ResumableASHA, ResumablePBT, ResumableSearch
from cluster.tuning.snapshots import Snapshots
from cluster.tuning.space import Space
from cluster.tuning.trial import SweepTrial
from cluster.tuning.trial_log import TrialLog
from cluster.tuning.trial_spec import TrialSpec
from cluster.tuning.tuner import RETRIES, empty_folder, folder_of, run_tuner
from training.storage.run_dir import RunDir

TRIALS = "trials"  # folder of Tune's state (pickles) in a run directory
RUNNING = "running"  # folder of running trials
S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Sweep(Generic[S]):
    """Search settings by many trainings; a configuration's score is the mean over its seeds."""

    settings: Annotated[S, tyro.conf.arg(name="")]
    space: str = "learning"
    """Search space: a TOML file ("learner.learning_rate" = {log = [1e-4, 1e-2]}), or one of the preset's
    spaces; an unknown name lists them."""
    scheduler: Literal["asha", "pbt", "random"] = "asha"
    """asha: stop the worst early, begin others. pbt: the worst clone the best and mutate. random: train all."""
    search: Literal["random", "optuna"] = "random"
    """Sampling of settings: independent, or by Optuna's TPE from earlier scores."""
    trials: int = 8
    """Number of configurations; asha spends the rounds it saves on further ones."""
    seeds: int = 2
    """Number of seeds per configuration, beginning with --seed."""
    rounds: int = 9
    """Rounds of each training; the scheduler decides after each."""
    concurrent: int | None = None
    """Concurrent trials, also after a resume; default: as many as fit."""
    serial: bool | None = None
    """One process per trial instead of a fleet; default: for small fleets of which fewer than two fit."""
    gpu: float | None = None
    """Share of a GPU per trial that trains on one; default: all GPUs divided by the concurrent trials."""
    run_dir: Path | None = None
    """Directory of all output; default under runs/."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Resume the sweep in --run-dir, which must not be moved; only --gpu may change. Tune's state consists of
    pickles: only resume a run directory of your own."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print settings and space, without training."""

    def __post_init__(self) -> None:
        least = 2 if self.scheduler == "pbt" else 1
        counts = (self.seeds, self.rounds, 1 if self.concurrent is None else self.concurrent)
        if self.trials < least or min(counts) < 1:
            raise ValueError(f"--trials must be {least} or more; --seeds, --rounds and --concurrent 1 or more")
        if self.scheduler == "pbt" and self.search != "random":
            raise ValueError("--scheduler pbt finds settings by itself: leave --search out, or use asha or random")
        if self.gpu is not None and not 0 <= self.gpu <= 1:
            raise ValueError(f"--gpu is {self.gpu}: a share lies in 0..1")


class Ranges:
    """Clips mutated settings to their ranges."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def __call__(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return the settings, clipped."""
        return {**config, **{name: r.within(config[name]) for name, r in self.space.items()}}


def scheduler_of(name: str, space: Space, table: Path, rounds: int, concurrent: int) -> TrialScheduler:
    """Return the scheduler asha, pbt or random of the sweep with the table of rounds `table`."""
    if name == "pbt":
        mutations = {key: r.values if r.kind == "choice" else r.domain() for key, r in space.items()}
        return ResumablePBT(mutations, Ranges(space), concurrent)
    return ResumableASHA(table, rounds) if name == "asha" else FIFOScheduler()


def searcher_of(options: Sweep[Any], table: Path, seed: int, concurrent: int) -> SearchAlgorithm:
    """Return the search algorithm; `concurrent` does not apply to pbt, whose scheduler limits trials itself."""
    budget = options.trials * options.rounds
    if options.search == "optuna":
        import optuna  # its import is slow

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return ResumableSearch(BudgetedOptuna(table, budget, seed), concurrent)
    return BudgetedSearch(table, budget, 0 if options.scheduler == "pbt" else concurrent, seed)


def search(
    options: Sweep[Any], space: Space, spec: TrialSpec, concurrent: int, directory: RunDir, shared: Any = None
) -> tune.ResultGrid:
    """Run all remaining trials, `concurrent` at a time, on the connected cluster."""
    folder = directory.path.absolute()
    metric, seed = spec.work.load("search").metric, spec.seeds[0]
    table, storage, budget = folder / "rounds.csv", folder / TRIALS, options.trials * options.rounds
    log = TrialLog(folder, options.rounds, metric, spec.work.clock, tuple(space), concurrent)
    trainable = tune.with_parameters(SweepTrial, spec=replace(spec, folder=folder / RUNNING), shared=shared)
    trainable = tune.with_resources(trainable, tune.PlacementGroupFactory(spec.bundles()))

    def make() -> tune.Tuner:
        random.seed(seed)  # for Tune's mutations
        return tune.Tuner(
            trainable,
            param_space={name: r.domain() for name, r in space.items()},
            tune_config=tune.TuneConfig(
                metric=metric.name,
                mode=metric.mode,
                num_samples=budget if options.scheduler == "asha" else options.trials,
                scheduler=scheduler_of(options.scheduler, space, table, options.rounds, concurrent),
                search_alg=searcher_of(options, table, seed, concurrent),
                reuse_actors=True,
                trial_dirname_creator=folder_of,
            ),
            run_config=tune.RunConfig(
                name=storage.name,
                storage_path=str(folder),
                stop=Budget(table, options.rounds, budget),
                callbacks=[log, Snapshots(storage)],
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                checkpoint_config=tune.CheckpointConfig(
                    num_to_keep=KEPT if options.scheduler == "pbt" else 2, checkpoint_frequency=1
                ),
                verbose=0,
            ),
        )

    with empty_folder(folder / RUNNING):
        return run_tuner(storage, trainable, make, resume=options.resume)
