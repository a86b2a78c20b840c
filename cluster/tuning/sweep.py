"""What a sweep is asked for, and how Ray Tune runs it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import ray
import tyro
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import ConcurrencyLimiter, SearchAlgorithm, Searcher

from agents.dqn.settings import Settings
from cluster.tuning.schedulers import KEPT, Draws, Halving, Population
from cluster.tuning.session import ENDLESS, RETRIES, fitted, folder_of
from cluster.tuning.snapshots import Snapshots
from cluster.tuning.space import Space, require_cloneable
from cluster.tuning.trial import Plan, SweepTrial, cores
from cluster.tuning.trial_log import Ledger
from training.run_dir import RunDir


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Search settings with many trainings: each configuration gets several seeds and is judged by their mean."""

    settings: Annotated[Settings, tyro.conf.arg(name="")]
    space: str = "learning"
    """What is searched: a TOML file ("learner.learning_rate" = {log = [1e-4, 1e-2]}), or learning, exploration, replay,
    population."""
    scheduler: Literal["asha", "pbt", "random"] = "asha"
    """asha: the worst stop early. pbt: the worst clone the best and change. random: all to the end."""
    search: Literal["random", "optuna"] = "random"
    """How settings are drawn: independently, or by optuna's TPE from what has been seen."""
    trials: int = 8
    """Configurations."""
    seeds: int = 2
    """Trainings of a configuration: --seed and those that follow it."""
    rounds: int = 9
    """In which each training's --steps are trained; after each the scheduler decides."""
    concurrent: int | None = None
    """Trials at once; default: as many as there is room for."""
    serial: bool | None = None
    """One process a trial instead of a fleet; default: for small fleets where fewer than two of them have room."""
    gpu: float = 1.0
    """Share of a GPU for a trial whose learner is on one."""
    run_dir: Path | None = None
    """Where everything of this sweep goes; default under runs/."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with the sweep in --run-dir; nothing but --concurrent may change."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print settings and space; start nothing."""

    def __post_init__(self) -> None:
        least = 2 if self.scheduler == "pbt" else 1
        counts = (self.seeds, self.rounds, 1 if self.concurrent is None else self.concurrent)
        if self.trials < least or min(counts) < 1:
            raise ValueError(f"--trials must be {least} or more; --seeds, --rounds and --concurrent 1 or more")
        if self.scheduler == "pbt" and self.search != "random":
            raise ValueError("--scheduler pbt finds settings by itself: leave --search out, or use asha or random")
        if self.settings.stop.minutes < ENDLESS or self.settings.stop.score is not None:
            raise ValueError(
                "a sweep ends by --steps, or its trials could not be compared: leave --minutes, --score out"
            )
        if self.settings.stop.steps < self.rounds:
            raise ValueError(f"--steps {self.settings.stop.steps} cannot be trained in {self.rounds} rounds: raise it")
        if self.serial and self.shares_out():
            raise ValueError("--serial True trains in one process: leave --fleet.runners, shards and learners alone")
        if not 0 < self.gpu <= 1:
            raise ValueError(f"--gpu is {self.gpu}: give a share above 0, 1 for a whole one")

    def plan(self, *, serial: bool) -> Plan:
        """What all trials have in common."""
        s = self.settings
        gpu = self.gpu if s.learner.device.startswith("cuda") and s.fleet.learners == 0 else 0.0
        seeds = tuple(range(s.seed, s.seed + self.seeds))
        return Plan(settings=s, seeds=seeds, rounds=self.rounds, serial=serial, gpu=gpu)

    def shares_out(self) -> bool:
        """Whether there is something that only a fleet does."""
        fleet = self.settings.fleet
        return fleet.runners > 1 or fleet.shards > 0 or fleet.learners > 0

    def least_cores(self) -> int:
        """Cores without which no trial could run."""
        fleet = self.shares_out() if self.serial is None else not self.serial
        return int(cores(self.plan(serial=False).bundles())) if fleet else 1


def runs_serially(options: Sweep) -> bool:
    """Whether a trial is the serial loop: as asked, or where a fleet has nothing to share out and hardly any room.

    On few cores, serial loops side by side train more than one fleet after another; what a fleet with several runners,
    shards or learner actors does is a fleet's alone.
    """
    if options.serial is not None:
        return options.serial
    room = ray.cluster_resources().get("CPU", 1)
    return not options.shares_out() and room < 2 * cores(options.plan(serial=False).bundles())


class Ranges:
    """Brings mutated settings back into their ranges."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def __call__(self, config: dict[str, Any]) -> dict[str, Any]:
        """The same settings, none out of its range."""
        return {**config, **{name: r.within(config[name]) for name, r in self.space.items()}}


def scheduler_of(name: str, space: Space, table: Path, rounds: int, concurrent: int) -> TrialScheduler:
    """The scheduler called asha, pbt or random, of the sweep whose ledger `table` is."""
    if name == "pbt":
        require_cloneable(space)
        mutations = {key: r.values if r.kind == "choice" else r.domain() for key, r in space.items()}
        return Population(mutations, Ranges(space), concurrent)
    return Halving(table, rounds) if name == "asha" else FIFOScheduler()


def searcher_of(options: Sweep, concurrent: int) -> SearchAlgorithm | Searcher:
    """Who draws settings, so many at a time. A population is complete before any of it goes on; it bounds itself."""
    seed = options.settings.seed
    if options.search == "optuna":
        import optuna  # loads a database's client
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return ConcurrencyLimiter(OptunaSearch(seed=seed), max_concurrent=concurrent)
    return Draws(0 if options.scheduler == "pbt" else concurrent, seed)


def search(options: Sweep, space: Space, plan: Plan, directory: RunDir) -> None:
    """Run all trials, or what is left of them, on the cluster that is connected."""
    folder, bundles = directory.path.absolute(), plan.bundles()
    room = int(ray.cluster_resources().get("CPU", 1) // cores(bundles))
    concurrent = options.concurrent or max(1, min(options.trials, room))
    table, storage = folder / "rounds.csv", folder / "trials"
    ledger = Ledger(table, directory.tensorboard.absolute(), options.rounds, tuple(space))
    trainable = tune.with_parameters(SweepTrial, plan=plan)
    trainable = tune.with_resources(trainable, tune.PlacementGroupFactory(bundles))

    def make() -> tune.Tuner:
        random.seed(options.settings.seed)  # what Tune's mutations are drawn from
        return tune.Tuner(
            trainable,
            param_space={name: r.domain() for name, r in space.items()},
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                num_samples=options.trials,
                scheduler=scheduler_of(options.scheduler, space, table, options.rounds, concurrent),
                search_alg=searcher_of(options, concurrent),
                reuse_actors=True,
                trial_dirname_creator=folder_of,
            ),
            run_config=tune.RunConfig(
                name=storage.name,
                storage_path=str(folder),
                stop={"training_iteration": options.rounds},
                callbacks=[ledger, Snapshots(storage)],
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                checkpoint_config=tune.CheckpointConfig(
                    num_to_keep=KEPT if options.scheduler == "pbt" else 2, checkpoint_frequency=1
                ),
                verbose=0,
            ),
        )

    fitted(storage, trainable, make, resume=options.resume)
