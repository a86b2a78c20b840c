"""gan-sweep: many GAN trainings as trials of Ray Tune, at equal images whatever the scheduler."""

from __future__ import annotations

import json
import logging
import math
import random
import shutil
import signal
import time
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Literal

import ray
from ray import tune
from torch.utils.tensorboard import SummaryWriter

from agents.memory import keep_freed_memory
from cluster.arguments import parse
from cluster.commands import default_run_dir
from cluster.fleet import start_ray
from cluster.gan_album import close_album
from cluster.gan_commands import GanOptions, cache_of, prepared, preset_of, told
from cluster.gan_results import Budget, Ledger, rounds_of, trials_of, winner_of, write_tables
from cluster.gan_run import Best, GanRun, report, trainer_of
from cluster.gan_search import KEPT, generator_of, scheduler_of, space_of
from cluster.gan_trial import GanTrial, Plan
from cluster.rundir import RunDir, origin, process_seconds, write_json
from cluster.session import Interrupt
from gan.config import changed, from_dict, to_dict
from gan.export import export_generator
from gan.presets import PRESETS

RETRIES = 3  # of a trial whose process died
OWN = ("scheduler", "trials", "rounds")  # options that a resumed sweep keeps


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
        if self.gpu is not None and not 0 <= self.gpu <= 1:
            raise ValueError(f"--gpu is {self.gpu}: a share lies in 0..1")


class TuneInterrupt(Interrupt):
    """The first Ctrl-C or SIGTERM lets Tune write down where it is; a second one interrupts for good."""

    def __init__(self) -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until Tune listens to it
        super().__init__()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        super()._raise(number, frame)
        signal.raise_signal(signal.SIGUSR1)

    def check(self) -> None:
        """End here if the signal came before there was anything to write down."""
        if self.raised:
            raise KeyboardInterrupt


def gan_sweep(arguments: list[str]) -> int:
    """`quarterdeck gan-sweep PRESET ...`."""
    started = time.monotonic() - process_seconds()
    preset = preset_of(arguments)
    default = GanSweep(settings=changed(PRESETS[preset](), {"minutes": 1e9}))
    options = parse(GanSweep, arguments[1:], f"gan-sweep {preset}", default)
    options = replace(options, settings=options.chosen(), data=None, images=None)
    name = f"gan-sweep-{options.scheduler}"
    directory = RunDir(options.run_dir or default_run_dir(name, preset, options.settings.seed))
    if options.resume:
        options = _resumed(directory, preset, arguments[1:])
    if options.dry_run:
        print(json.dumps({"settings": to_dict(options.settings)}, indent=2))
        return 0
    if not options.resume:
        directory.require_free()
    keep_freed_memory()
    run = prepared(options.settings, cache_of(directory))
    if not options.resume:
        own = {name: getattr(options, name) for name in OWN}
        record = {"workload": "gan-sweep", "preset": preset, "serial": False, "sweep": own}
        directory.create({**record, "settings": to_dict(options.settings), **origin()})
    interrupt = TuneInterrupt()
    try:
        start_ray(options.concurrent or 1)
        interrupt.check()
        results = search(options, run, directory)
    finally:
        interrupt.restore()
        ray.shutdown()
    if interrupt.raised:
        print(f"saved; go on with: quarterdeck gan-sweep {preset} --run-dir {directory.path} --resume")
        return 0
    close(options, run, directory, winner_of(results), time.monotonic() - started)
    return 0


def search(options: GanSweep, run: GanRun, directory: RunDir) -> tune.ResultGrid:
    """Run all trials, or what is left of them, on the cluster that is connected."""
    for name in ("ray.tune", "ray.train", "ray._common.deprecation"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of them is in the tables
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
    storage = folder / "trials"
    if options.resume and list(storage.glob("experiment_state-*.json")):
        return tune.Tuner.restore(str(storage), trainable, resume_errored=True).fit()
    shutil.rmtree(storage, ignore_errors=True)  # of a sweep that was killed in its first moment
    random.seed(options.settings.seed)  # what Tune's mutations are drawn from
    most = options.rounds if options.scheduler == "asha" else 1
    tuner = tune.Tuner(
        trainable,
        param_space=space_of(options.settings),
        tune_config=tune.TuneConfig(
            metric="fd_clf",
            mode="min",
            num_samples=options.trials * most,
            scheduler=scheduler_of(options.scheduler, options.settings, options.rounds, concurrent),
            search_alg=generator_of(options.scheduler, concurrent, options.settings.seed),
            reuse_actors=True,
            time_budget_s=60 * options.settings.minutes,
        ),
        run_config=tune.RunConfig(
            name=storage.name,
            storage_path=str(folder),
            stop=Budget(table, options.trials, options.rounds),
            callbacks=[Ledger(table, options.rounds)],
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=KEPT, checkpoint_frequency=1),
            verbose=0,
        ),
    )
    return tuner.fit()


def close(options: GanSweep, run: GanRun, directory: RunDir, winner: tuple[str, Best], seconds: float) -> None:
    """Tables, the winning settings, the best generator with its scores on the report part, summary.json."""
    (trial, best), data = winner, run.trainer.data
    rounds = rounds_of(directory.path / "rounds.csv")
    rows = trials_of(rounds, options.settings.training.images / options.rounds)
    write_tables(rows, rounds, directory.path, f"{data.name}, {options.scheduler}, seed {options.settings.seed}")
    trainer = trainer_of(best, data)
    scores = report(trainer, run.judge.extractor)
    export_generator(trainer, directory.generator, {"part": "report", **scores})
    with SummaryWriter(str(directory.tensorboard)) as writer:
        close_album(writer, directory, trainer)
    found = {"select_fd_clf": best.fd_clf, "trial": trial, "best_images": best.images}
    write_json(directory.path / "best.json", {**found, "settings": best.settings})
    summary = {
        **scores,
        **found,
        **{name: getattr(options, name) for name in OWN},
        "images": sum(row["images"] for row in rows),
        "seconds": seconds,
        "seed": options.settings.seed,
        **origin(),
    }
    write_json(directory.summary, summary)
    print(f"{data.name}: {told(scores)}, by {trial}; everything is in {directory.path}")


def _resumed(directory: RunDir, preset: str, arguments: list[str]) -> GanSweep:
    """The sweep's own options, with the places it may now take.

    Raises:
        ValueError: the sweep is another preset's, or something else was to change.
    """
    recorded = directory.record("gan-sweep")
    if recorded["preset"] != preset:
        raise ValueError(f"{directory.path} is a sweep of {recorded['preset']}: name that preset")
    own = GanSweep(settings=from_dict(recorded["settings"]), **recorded["sweep"])
    asked = parse(GanSweep, arguments, f"gan-sweep {preset}", own)
    free: dict[str, Any] = {"run_dir": None, "resume": False, "dry_run": False, "concurrent": None, "gpu": None}
    if replace(asked, settings=asked.chosen(), data=None, images=None, **free) != own:
        raise ValueError("a resumed sweep keeps its settings: start anew for others")
    return asked


SWEEP_COMMANDS = {"gan-sweep": gan_sweep}
