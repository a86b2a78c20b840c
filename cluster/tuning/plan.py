"""Planning of a sweep on the connected cluster: device, fleets or serial loops, concurrency."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import ray

from cluster.fleet import placement
from cluster.tuning.sweep import Sweep
from cluster.tuning.trial_spec import TrialSpec, cores
from cluster.workloads import Workload
from training.settings import changed, flat
from training.storage.run_dir import RunDir


def require_comparable(options: Sweep[Any], work: Workload) -> None:
    """Check that all trials train equally long, and that options do not contradict each other.

    Raises:
        ValueError: another stopping criterion is set, or options contradict each other.
    """
    values = flat(options.settings)
    if any(values[name] != value for name, value in work.endless.items()):
        ends = ", ".join(f"--{name.rpartition('.')[2]}" for name in work.endless)
        end = work.end.rpartition(".")[2]
        raise ValueError(f"a sweep ends by --{end}, or its trials could not be compared: leave {ends} out")
    if values[work.end] < options.rounds:
        end = f"--{work.end.rpartition('.')[2]} {values[work.end]}"
        raise ValueError(f"{end} cannot be trained in {options.rounds} rounds: raise it")
    if options.serial and requires_fleet(options, work):
        raise ValueError("--serial True trains in one process: leave --fleet.runners, shards and learners alone")


def requires_fleet(options: Sweep[Any], work: Workload) -> bool:
    """Return whether the settings need a fleet."""
    return bool(work.fleet) and bool(work.fleet_module().requires_fleet(options.settings))


def trial_spec_of(options: Sweep[Any], work: Workload, preset: str, *, serial: bool) -> TrialSpec:
    """Return what all trials have in common."""
    seed = flat(options.settings)["seed"]
    return TrialSpec(
        preset=preset,
        settings=options.settings,
        seeds=tuple(range(seed, seed + options.seeds)),
        rounds=options.rounds,
        serial=serial,
        stop_diverged=options.scheduler != "pbt",
    )


def least_cores(options: Sweep[Any], work: Workload, preset: str) -> int:
    """Return the minimum number of cores for a trial."""
    fleet = requires_fleet(options, work) if options.serial is None else not options.serial and bool(work.fleet)
    return int(cores(trial_spec_of(options, work, preset, serial=False).bundles())) if fleet else 1


def planned(options: Sweep[Any], work: Workload, preset: str, directory: RunDir) -> tuple[TrialSpec, int]:
    """Return the trials' specification on the connected cluster, and their concurrency.

    Raises:
        ValueError: the cluster lacks resources of the settings.
    """
    settings, values = options.settings, flat(options.settings)
    device, learners = values.get(f"{work.learner}.device", "cpu"), values.get("fleet.learners", 0)
    if work.fleet:
        device = placement.resolve_device(device, learners)
        settings = changed(settings, {f"{work.learner}.device": device})
    spec = trial_spec_of(options, work, preset, serial=runs_serially(options, work, preset))
    room = int(ray.cluster_resources().get("CPU", 1) // cores(spec.bundles()))
    concurrent = options.concurrent or max(1, min(options.trials, room))
    gpus = options.gpu if options.gpu is not None else ray.cluster_resources().get("GPU", 0) / concurrent
    # `auto` resolves to the trial's GPU, if it has one.
    on_gpu = device != "cpu" and learners == 0
    gpu = math.floor(1e4 * min(gpus, 1)) / 1e4 if on_gpu else 0.0
    return replace(spec, settings=settings, gpu=gpu, pictures=directory.path.absolute() / "pictures"), concurrent


def runs_serially(options: Sweep[Any], work: Workload, preset: str) -> bool:
    """Return whether trials train in one process: by option, or if the settings need no fleet and cores are few.

    On few cores, concurrent serial loops train more than consecutive fleets.
    """
    if not work.fleet or options.serial is not None:
        return not work.fleet or bool(options.serial)
    fleet, room = trial_spec_of(options, work, preset, serial=False), ray.cluster_resources().get("CPU", 1)
    return not requires_fleet(options, work) and room < 2 * cores(fleet.bundles())
