"""A job's log as it comes, and how the job ended."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any

from cluster.jobs.client import Client, errors_in_one_line

STEM = ["python", "-m", "cluster"]  # of a job's command line: the interpreter is the nodes' own
POLL = 0.5  # seconds between two looks at a job that is to end
SILENCE = 10.0  # seconds without a line, after which the cluster is asked whether it is still there


def resumption(entrypoint: str, there: list[str]) -> str:
    """How a job that has saved is gone on with, by the words that name its cluster; behind what is said of its end."""
    words = [word for word in shlex.split(entrypoint) if word != "--resume"]
    if words[: len(STEM)] != STEM:
        return ", saved"
    again = shlex.join(["quarterdeck", "submit", *there, "--", *words[len(STEM) :], "--resume"])
    return f", saved; go on with: {again}"


def follow(client: Client, job: str, hint: Callable[[str, str], str]) -> int:
    """Print a job's log to its end; returns its exit status. A person who leaves does not end the job.

    `hint(verb, job)` is a command for the same cluster.
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
    """Lines as they come; a job that waits says what for, and a cluster that has gone is noticed."""
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
    """The command's own exit status; 1 if it was stopped or never ran."""
    if str(job.status) == "SUCCEEDED":
        return 0
    code: int | None = job.driver_exit_code
    message = f"exit status {code}" if code else (job.message or "no reason given").strip().splitlines()[-1]
    print(f"job {job.submission_id} {job.status}: {message}", file=sys.stderr)
    if not code:
        return 1
    return code if code > 0 else 128 - code  # by a signal: as a shell says it


def about(job: Any) -> dict[str, str]:
    """What was told of a job when it was submitted."""
    return dict(job.metadata or {})
