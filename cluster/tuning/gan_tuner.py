"""What a GAN sweep is asked for, and how Ray Tune runs it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal

import ray
from ray import tune

from cluster.gan_options import GanOptions
from cluster.tuning.gan_ledger import Budget, Ledger
from cluster.tuning.gan_search import Metered, scheduler_of, space_of
from cluster.tuning.gan_trial import GanTrial, Plan
from cluster.tuning.schedulers import KEPT
from cluster.tuning.session import ENDLESS, RETRIES, fitted, folder_of
from cluster.tuning.snapshots import Snapshots
from gan.run import GanRun
from training.run_dir import RunDir


@dataclass(frozen=True, kw_only=True)
class GanSweep(GanOptions):
    """Search learning rates, loss and penalty weight with many trainings."""

    scheduler: Literal["pbt", "asha", "random"] = "pbt"
    """pbt: the worst clone the best. asha: the worst stop early, others begin. random: all train to their end."""
    trials: int = 4
    """Times --images in all; asha shares these among as many trials as it takes."""
    rounds: int = 10
    """In which a trial is trained; after each the scheduler decides."""
    concurrent: int | None = None
    """Trials at once, one core each; default: as many as cores are free."""
    gpu: float | None = None
    """Share of a GPU for each trial; default: all GPUs, divided by --concurrent."""

    def __post_init__(self) -> None:
        least = 2 if self.scheduler == "pbt" else 1
        if self.trials < least or self.rounds < 1 or (self.concurrent is not None and self.concurrent < 1):
            raise ValueError(f"--trials must be {least} or more, --rounds and --concurrent 1 or more")
        if self.settings.minutes < ENDLESS:
            raise ValueError("a sweep ends by images, or its schedulers could not be compared: leave --minutes out")
        if self.gpu is not None and not 0 <= self.gpu <= 1:
            raise ValueError(f"--gpu is {self.gpu}: a share lies in 0..1")


def search(options: GanSweep, run: GanRun, directory: RunDir) -> tune.ResultGrid:
    """Run all trials, or what is left of them, on the cluster that is connected."""
    concurrent = options.concurrent or max(1, min(options.trials, int(ray.available_resources().get("CPU", 1))))
    gpus = options.gpu if options.gpu is not None else ray.cluster_resources().get("GPU", 0) / concurrent
    folder, table = directory.path.absolute(), directory.path.absolute() / "rounds.csv"
    plan = Plan(
        settings=options.settings,
        rounds=options.rounds,
        pictures=folder / "pictures",
        tensorboard=folder / "tensorboard",
        stop_diverged=options.scheduler != "pbt",
    )
    trainable = tune.with_parameters(GanTrial, plan=plan, shared=(run.trainer.data, run.judge))
    trainable = tune.with_resources(trainable, {"cpu": 1, "gpu": math.floor(1e4 * min(gpus, 1)) / 1e4})
    budget = options.trials * options.rounds

    def make() -> tune.Tuner:
        random.seed(options.settings.seed)  # what Tune's mutations are drawn from
        return tune.Tuner(
            trainable,
            param_space=space_of(options.settings),
            tune_config=tune.TuneConfig(
                metric="fd_clf",
                mode="min",
                num_samples=budget if options.scheduler == "asha" else options.trials,
                scheduler=scheduler_of(options.scheduler, options.settings, table, options.rounds, concurrent),
                # A population is complete before any of it goes on; it bounds itself.
                search_alg=Metered(
                    table, budget, 0 if options.scheduler == "pbt" else concurrent, options.settings.seed
                ),
                reuse_actors=True,
                trial_dirname_creator=folder_of,
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=str(folder),
                stop=Budget(table, options.rounds, budget),
                callbacks=[Ledger(table, options.rounds), Snapshots(folder / "trials")],
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=KEPT, checkpoint_frequency=1),
                verbose=0,
            ),
        )

    return fitted(folder / "trials", trainable, make, resume=options.resume)
