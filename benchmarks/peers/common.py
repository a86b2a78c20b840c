"""Shared by the peer benchmarks: command line, allocator variables, counters and the printed result."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from torch import __version__ as torch_version

# Without these, glibc returns large blocks to the system and faults them in again at every update.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "100000000",
}
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}  # idle OpenMP threads sleep and leave their core to the emulators
DEFAULT_RATIO = 8.0  # trained samples per agent step with both peers' default batch size and period
TOLERANCE = 0.02  # accepted relative error of the trained samples per step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """Options of the command line; `overrides` are fields of the peer's settings."""

    samples_per_step: float
    seconds: float
    defaults: bool
    stock: bool
    overrides: dict[str, Any]

    def apply(self, settings: Any) -> Any:
        """Return `settings` (a dataclass) with the overrides; ValueError for unknown fields."""
        unknown = set(self.overrides) - {field.name for field in dataclasses.fields(settings)}
        if unknown:
            raise ValueError(f"no setting {sorted(unknown)}: {dataclasses.asdict(settings)} can be set")
        return dataclasses.replace(settings, **self.overrides)


@dataclasses.dataclass(frozen=True)
class Reading:
    """The peer's counters at one time: agent steps (4 frames each), trained samples, clock in seconds."""

    agent_steps: int
    trained_samples: int
    at: float = dataclasses.field(default_factory=time.perf_counter)


def parse(description: str | None) -> Request:
    """Parse the command line; exit with a usage message on errors."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--samples-per-step", type=float, help="trained samples per agent step (default 4)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the timed window")
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument("--defaults", action="store_true", help="the peer's default settings (8 samples per step)")
    rows.add_argument("--stock", action="store_true", help="the peer's own Atari wrappers and a float32 network")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=JSON", help="try another setting")
    args = parser.parse_args()
    if args.defaults and args.samples_per_step not in (None, DEFAULT_RATIO):
        parser.error(f"--defaults trains {DEFAULT_RATIO:g} samples per step; leave out --samples-per-step")
    try:
        overrides = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in args.set)}
    except ValueError:
        parser.error("--set takes NAME=JSON, for example --set num_envs=8 env='\"dummy\"'")
    ratio = DEFAULT_RATIO if args.defaults else args.samples_per_step or 4.0
    return Request(
        samples_per_step=ratio,
        seconds=args.seconds,
        defaults=args.defaults,
        stock=args.stock,
        overrides=overrides,
    )


def set_environment(*, keep_memory: bool, passive_wait: bool) -> None:
    """Re-execute this process unless exactly these variables are set, since they are read at its start only."""
    wanted = (ALLOCATOR if keep_memory else {}) | (PASSIVE if passive_wait else {})
    others = {name: value for name, value in os.environ.items() if name not in ALLOCATOR | PASSIVE}
    if others | wanted == dict(os.environ):
        return
    sys.stdout.flush()
    os.execve(sys.executable, sys.orig_argv, others | wanted)


def steps_between_updates(samples_per_step: float, batch_size: int, num_envs: int) -> int:
    """Return the steps of all envs per update of `batch_size`; ValueError if it is not a whole number."""
    steps = batch_size / (samples_per_step * num_envs)
    if steps != round(steps) or steps < 1:
        raise ValueError(
            f"{samples_per_step:g} samples per step needs an update every {steps:g} steps of {num_envs} envs: "
            "choose batch_size and num_envs so that it is a whole number"
        )
    return round(steps)


def report(system: str, version: str, settings: Any, asked: float, start: Reading, end: Reading) -> None:
    """Print the result as one JSON line; RuntimeError if trained samples per step are not those requested."""
    steps, seconds = end.agent_steps - start.agent_steps, end.at - start.at
    measured = (end.trained_samples - start.trained_samples) / steps
    if abs(measured / asked - 1) > TOLERANCE:
        raise RuntimeError(f"{system} trained {measured:.3f} samples per step, not {asked:g}: use more --seconds")
    result = {
        "system": system,
        "version": version,
        "settings": dataclasses.asdict(settings),
        "samples_per_step": round(measured, 3),
        "agent_steps_per_second": round(steps / seconds, 1),
        "seconds": round(seconds, 2),
        "hardware": _hardware(),
    }
    print(json.dumps(result), flush=True)


def _hardware() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    return f"{models[0] if models else 'unknown CPU'}, {cores} cores, torch {torch_version}"
