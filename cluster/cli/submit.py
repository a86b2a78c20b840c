"""`quarterdeck submit`: a command as a job of a cluster."""

from __future__ import annotations

import secrets
import shlex
import sys
import time
from pathlib import Path

from cluster.cli.commands import COMMANDS
from cluster.cli.options import Submit
from cluster.jobs.client import connect, errors_in_one_line
from cluster.jobs.follow import STEM, follow
from cluster.jobs.package import runtime_env
from cluster.jobs.submission import STOP_SECONDS, refuse_two_writers, resources_of
from training.storage.provenance import commit_of


def submit(options: Submit, *words: str) -> int:
    """Run `quarterdeck submit [options] -- WORDS ...`."""
    name, command, told = describe([*words], options.storage)
    commit = commit_of(options.working_dir)
    env = runtime_env(options.working_dir, commit, options.env, STOP_SECONDS, install=options.install)
    resources = resources_of(options.entrypoint_resources)
    client = connect(options.address, insecure=options.insecure)
    with errors_in_one_line(client.get_address()):
        refuse_two_writers(client, told, options.hint)
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
    return follow(client, job, options.hint)


def describe(command: list[str], storage: Path | None) -> tuple[str, list[str], dict[str, str]]:
    """Return the job's name, its command, and its entries in `quarterdeck jobs`.

    Raises:
        ValueError: the command or preset is unknown, or the run directory is not on shared storage.
    """
    known = {name: row for name, row in COMMANDS.items() if not row.asks_cluster}
    if not command or command[0] not in known:
        said = f"unknown command {command[0]!r}" if command else "no command"
        raise ValueError(f"{said}: quarterdeck submit [options] -- COMMAND ..., with one of {', '.join(known)}")
    own, told = known[command[0]], {"command": command[0]}
    if not own.claims_run_dir:
        return command[0], command, told
    name = [] if command[0] == "train" else [command[0]]
    if own.presets:
        told["preset"] = "".join(command[1:2])
        if told["preset"] not in own.presets and ":" not in told["preset"]:
            raise ValueError(f"unknown preset {told['preset']!r}: use one of {', '.join(own.presets)}")
        name.append(told["preset"].rpartition(":")[2])
    seed = _option(command, "seed") or "0"
    if not seed.isdecimal():
        raise ValueError(f"seed {seed}: use 0 to 2147483647")
    job = "-".join([*name, f"s{seed}"])
    run_dir = _option(command, "run-dir")
    if run_dir is None and storage is not None and "--resume" not in command:
        run_dir = str(storage / f"{job}-{time.strftime('%Y%m%d-%H%M%S')}")
        command = [*command, "--run-dir", run_dir]
    if run_dir is None or not Path(run_dir).is_absolute():
        raise ValueError(
            "a job's run directory lies on storage that all nodes share: add its absolute path to the command, as in "
            "train pong --run-dir /runs/pong-s0 (or, for a new run, submit --storage /runs)"
        )
    return job, command, {**told, "seed": seed, "run_dir": run_dir}


def _option(command: list[str], name: str) -> str | None:
    """Return the value of --name in a list of arguments."""
    for word, following in zip(command, [*command[1:], None], strict=True):
        key, given, value = word.partition("=")
        if key.replace("_", "-") == f"--{name}":
            return value if given else following
    return None
