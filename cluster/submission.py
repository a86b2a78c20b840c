"""submit: one of our commands as a job of a cluster, with what it takes along and what is told of it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from agents.presets import PRESETS
from cluster.arguments import parse
from cluster.commands import PRESET_NAMES
from cluster.dashboard import Client, connect, one_line
from cluster.jobs import STEM, Address, about, follow, jobs, logs, stop
from cluster.packing import runtime_env
from gan.presets import PRESETS as GAN_PRESETS
from training.provenance import commit_of

STOP_SECONDS = 1800  # a job may take to save, once it was asked to stop
HEAD = '{"node:__internal_head__": 0.001}'  # Ray gives every head node one of these

RUNS: dict[
    str, tuple[tuple[str, ...], str]
] = {  # commands that write a run directory: their presets, their jobs' names
    "train": (PRESET_NAMES, ""),
    "sweep": (tuple(PRESETS), "sweep-"),
    "gan": (tuple(GAN_PRESETS), "gan-"),
    "gan-sweep": (tuple(GAN_PRESETS), "gan-sweep-"),
}


@dataclass(frozen=True, kw_only=True)
class Submit(Address):
    """Run a command as a job of a cluster: quarterdeck submit [options] -- train pong --run-dir /shared/pong."""

    detach: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the job's ID and return; otherwise its log is followed, and its exit status is the command's."""
    storage: Path | None = None
    """Storage that all nodes share; a training without --run-dir gets a directory of its own under it."""
    working_dir: Path = Path()
    """What the job runs in a copy of; .gitignore and .rayignore say what stays here."""
    install: tyro.conf.FlagCreatePairsOff[bool] = False
    """Install the dependencies by requirements.lock on every node; otherwise the nodes have them."""
    env: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME=VALUE")] = ()
    """A variable for the job and its actors; once for each. Never a secret: whoever sees the job sees it."""
    entrypoint_num_cpus: float = 1.0
    """Cores that the driver reserves."""
    entrypoint_num_gpus: float = 0.0
    """GPUs that the driver reserves."""
    entrypoint_resources: str = HEAD
    """What else, as JSON. The default is the head node, whose loss ends every job anyway."""
    insecure: tyro.conf.FlagCreatePairsOff[bool] = False
    """Submit even to a cluster that asks nobody for a token."""


def submit(arguments: list[str]) -> int:
    """`quarterdeck submit [options] -- COMMAND ...`."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    options, command = parse(Submit, arguments[:place], "submit"), arguments[place + 1 :]
    name, command, told = describe(command, options.storage)
    commit = commit_of(options.working_dir)
    env = runtime_env(options.working_dir, commit, options.env, STOP_SECONDS, install=options.install)
    resources = _resources(options.entrypoint_resources)
    client = connect(options.address, insecure=options.insecure)
    with one_line(client.get_address()):
        _refuse_two_writers(client, told, options)
        job = client.submit_job(
            entrypoint=shlex.join([*STEM, *command]),
            submission_id=f"{name}-{secrets.token_hex(3)}",
            runtime_env=env,
            metadata={**told, "commit": commit},
            entrypoint_num_cpus=options.entrypoint_num_cpus,
            entrypoint_num_gpus=options.entrypoint_num_gpus,
            entrypoint_resources=resources,
        )
    if options.detach:
        print(f"follow it with: {options.hint('logs', job)} --follow", file=sys.stderr)
        print(job)
        return 0
    print(f"job {job}; Ctrl-C leaves it running, this stops it: {options.hint('stop', job)}", file=sys.stderr)
    return follow(client, job, options)


def describe(command: list[str], storage: Path | None) -> tuple[str, list[str], dict[str, str]]:
    """A name for the job, the command as it will run, and what `quarterdeck jobs` shows of it.

    Raises:
        ValueError: no such command or preset, or a run directory that only one node would see.
    """
    from cluster.cli import command_table  # which lists this file's commands too

    known = [name for name in command_table() if name not in JOB_COMMANDS]
    if not command or command[0] not in known:
        said = f"unknown command {command[0]!r}" if command else "no command"
        raise ValueError(f"{said}: quarterdeck submit [options] -- COMMAND ..., with one of {', '.join(known)}")
    if command[0] not in RUNS:
        return command[0], command, {"command": command[0]}
    presets, prefix = RUNS[command[0]]
    preset, seed = "".join(command[1:2]), _option(command, "seed") or "0"
    if preset not in presets:
        raise ValueError(f"unknown preset {preset!r}: use one of {', '.join(presets)}")
    if not seed.isdecimal():
        raise ValueError(f"seed {seed}: use 0 to 2147483647")
    name = f"{prefix}{preset}-s{seed}"
    run_dir = _option(command, "run-dir")
    if run_dir is None and storage is not None and "--resume" not in command:
        run_dir = str(storage / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
        command = [*command, "--run-dir", run_dir]
    if run_dir is None or not Path(run_dir).is_absolute():
        raise ValueError(
            "a job's run directory lies on storage that all nodes share: add its absolute path to the command, as in "
            "train pong --run-dir /shared/pong (or, for a new run, submit --storage /shared)"
        )
    return name, command, {"command": command[0], "preset": preset, "seed": seed, "run_dir": run_dir}


def _option(command: list[str], name: str) -> str | None:
    """The value of --name in a command that will be parsed elsewhere."""
    for word, following in zip(command, [*command[1:], None], strict=True):
        key, given, value = word.partition("=")
        if key.replace("_", "-") == f"--{name}":
            return value if given else following
    return None


def _resources(text: str) -> dict[str, float]:
    try:
        return {str(name): float(amount) for name, amount in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError):
        raise ValueError(
            f"--entrypoint-resources {text}: write JSON with an amount for each, as in '{{\"learner\": 1}}'"
        ) from None


def _refuse_two_writers(client: Client, told: dict[str, str], where: Address) -> None:
    run_dir = told.get("run_dir")
    for job in client.list_jobs() if run_dir else []:
        theirs = about(job).get("run_dir")
        if theirs and not job.status.is_terminal() and os.path.realpath(theirs) == os.path.realpath(str(run_dir)):
            mend = f"{where.hint('stop', job.submission_id)}, then add --resume"
            raise ValueError(f"job {job.submission_id} still writes to {run_dir}: {mend}")


JOB_COMMANDS: dict[str, Callable[[list[str]], int]] = {"submit": submit, "jobs": jobs, "logs": logs, "stop": stop}
