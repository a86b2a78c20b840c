"""Following a job's log to its end, and its exit status."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any

from cluster.jobs.client import Client, errors_in_one_line

STEM = ["python", "-m", "cluster"]  # of a job's command line, with the nodes' own interpreter
POLL = 0.5  # seconds between polls of a job that is ending
SILENCE = 10.0  # seconds without a line after which the cluster is polled


def resumption(entrypoint: str, there: list[str]) -> str:
    """Return the end of a message about a saved job: how to resume it; `there` are the options of its cluster."""
    words = [word for word in shlex.split(entrypoint) if word != "--resume"]
    if words[: len(STEM)] != STEM:
        return ", saved"
    again = shlex.join(["quarterdeck", "submit", *there, "--", *words[len(STEM) :], "--resume"])
    return f", saved; resume with: {again}"


def follow(client: Client, job: str, hint: Callable[[str, str], str]) -> int:
    """Print a job's log to its end and return the exit status. Ctrl-C does not stop the job.

    `hint(verb, job)` returns a command line for the same cluster.
    """
    with errors_in_one_line(client.get_address()):
        try:
            asyncio.run(_print_log(client, job))
        except KeyboardInterrupt:
            print(f"\njob {job} goes on: {hint('logs', job)} --follow", file=sys.stderr)
            print(f"stop it with: {hint('stop', job)}", file=sys.stderr)
            return 130
        while not (ended := client.get_job_info(job)).status.is_terminal():
            time.sleep(POLL)
    return _exit_status(ended)


async def _print_log(client: Client, job: str) -> None:
    """Print log lines as they arrive, and why a job is pending; detects a lost cluster."""
    lines, told = client.tail_job_logs(job), False
    while True:
        line = asyncio.ensure_future(anext(lines, None))
        while not (await asyncio.wait([line], timeout=SILENCE))[0]:
            status = client.get_job_info(job)
            if str(status.status) == "PENDING" and not told:
                print(f"job {job}: {status.message}", file=sys.stderr)
                told = True
        text = await line
        if text is None:
            return
        print(text, end="", flush=True)


def _exit_status(job: Any) -> int:
    """Return the command's exit status; 1 if it was stopped or never ran."""
    if str(job.status) == "SUCCEEDED":
        return 0
    code: int | None = job.driver_exit_code
    message = f"exit status {code}" if code else (job.message or "no reason given").strip().splitlines()[-1]
    print(f"job {job.submission_id} {job.status}: {message}", file=sys.stderr)
    if not code:
        return 1
    return code if code > 0 else 128 - code  # killed by a signal: as in a shell


def about(job: Any) -> dict[str, str]:
    """Return the metadata of a job's submission."""
    return dict(job.metadata or {})
