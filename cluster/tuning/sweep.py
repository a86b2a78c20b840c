"""What a sweep is asked for, and how Ray Tune runs it, whatever it trains."""

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

TRIALS = "trials"  # the folder of a run directory in which Tune keeps its state, as pickles
RUNNING = "running"  # and the one in which trials keep what they train, while there are any
S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Sweep(Generic[S]):
    """Search settings with many trainings: each configuration is judged by the mean of its seeds."""

    settings: Annotated[S, tyro.conf.arg(name="")]
    space: str = "learning"
    """What is searched: a TOML file ("learner.learning_rate" = {log = [1e-4, 1e-2]}), or one of the
    preset's own spaces; an unknown name lists them."""
    scheduler: Literal["asha", "pbt", "random"] = "asha"
    """asha: the worst stop early, others begin. pbt: the worst clone the best and change. random: all to the end."""
    search: Literal["random", "optuna"] = "random"
    """How settings are drawn: independently, or by optuna's TPE from what has been seen."""
    trials: int = 8
    """Configurations, each for --rounds; asha shares their rounds among as many as it takes."""
    seeds: int = 2
    """Trainings of a configuration: --seed and those that follow it."""
    rounds: int = 9
    """In which each training is trained; after each the scheduler decides."""
    concurrent: int | None = None
    """Trials at once, also when it is resumed; default: as many as there is room for."""
    serial: bool | None = None
    """One process a trial instead of a fleet; default: for small fleets where fewer than two of them have room."""
    gpu: float | None = None
    """Share of a GPU for a trial that trains on one; default: all GPUs, divided by the trials at once."""
    run_dir: Path | None = None
    """Where everything of this sweep goes; default under runs/."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with the sweep in --run-dir, which lies where it was begun; nothing but --gpu may change. Tune's state is
    pickles: only with a run directory of your own."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print settings and space; start nothing."""

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
    """Brings mutated settings back into their ranges."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def __call__(self, config: dict[str, Any]) -> dict[str, Any]:
        """The same settings, none out of its range."""
        return {**config, **{name: r.within(config[name]) for name, r in self.space.items()}}


def scheduler_of(name: str, space: Space, table: Path, rounds: int, concurrent: int) -> TrialScheduler:
    """The scheduler called asha, pbt or random, of the sweep whose rounds are in `table`."""
    if name == "pbt":
        mutations = {key: r.values if r.kind == "choice" else r.domain() for key, r in space.items()}
        return ResumablePBT(mutations, Ranges(space), concurrent)
    return ResumableASHA(table, rounds) if name == "asha" else FIFOScheduler()


def searcher_of(options: Sweep[Any], table: Path, seed: int, concurrent: int) -> SearchAlgorithm:
    """Who draws settings, so many at a time. A population is complete before any of it goes on; it bounds itself."""
    budget = options.trials * options.rounds
    if options.search == "optuna":
        import optuna  # loads a database's client

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return ResumableSearch(BudgetedOptuna(table, budget, seed), concurrent)
    return BudgetedSearch(table, budget, 0 if options.scheduler == "pbt" else concurrent, seed)


def search(
    options: Sweep[Any], space: Space, spec: TrialSpec, concurrent: int, directory: RunDir, shared: Any = None
) -> tune.ResultGrid:
    """Run all trials, or what is left of them, `concurrent` at once on the cluster that is connected."""
    folder = directory.path.absolute()
    metric, seed = spec.work.load("search").metric, spec.seeds[0]
    table, storage, budget = folder / "rounds.csv", folder / TRIALS, options.trials * options.rounds
    log = TrialLog(folder, options.rounds, metric, spec.work.clock, tuple(space), concurrent)
    trainable = tune.with_parameters(SweepTrial, spec=replace(spec, folder=folder / RUNNING), shared=shared)
    trainable = tune.with_resources(trainable, tune.PlacementGroupFactory(spec.bundles()))

    def make() -> tune.Tuner:
        random.seed(seed)  # what Tune's mutations are drawn from
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
