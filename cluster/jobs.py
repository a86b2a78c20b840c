"""jobs, logs and stop: what goes on at a cluster's job server."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from typing import Any

from cluster.dashboard import Client, connect, one_line
from cluster.options import Address, Logs, Stop

STEM = ["python", "-m", "cluster"]  # of a job's command line: the interpreter is the nodes' own
POLL = 0.5  # seconds between two looks at a job that is to end
SILENCE = 10.0  # seconds without a line, after which the cluster is asked whether it is still there
COLUMNS = ("job", "status", "began", "minutes", "preset", "seed", "commit", "run directory or command")


def jobs(options: Address) -> int:
    """`quarterdeck jobs`."""
    client = connect(options.address, insecure=True)
    with one_line(client.get_address()):
        found = [job for job in client.list_jobs() if job.submission_id]  # not the drivers that nobody submitted
    rows = [COLUMNS, *(_row(job) for job in sorted(found, key=lambda job: job.start_time or 0))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def logs(options: Logs) -> int:
    """`quarterdeck logs ID [--follow]`."""
    client = connect(options.address, insecure=True)
    with one_line(client.get_address()):
        client.get_job_info(options.job)  # there is such a job
        if not options.follow:
            print(client.get_job_logs(options.job), end="")
            return 0
    return follow(client, options.job, options)


def stop(options: Stop) -> int:
    """`quarterdeck stop ID`: the job is asked to end, saves, and is killed only if that takes too long."""
    client = connect(options.address, insecure=True)
    with one_line(client.get_address()):
        before = client.get_job_info(options.job)
        if before.status.is_terminal():
            print(f"job {options.job} has already {before.status}")
            return 0
        client.stop_job(options.job)
        print(f"waiting until job {options.job} has saved", file=sys.stderr)
        while not (job := client.get_job_info(options.job)).status.is_terminal():
            time.sleep(POLL)
        saved = "\nsaved;" in client.get_job_logs(options.job)
    print(f"job {options.job} {job.status}" + (_resumption(job.entrypoint) if saved else ", nothing was saved"))
    return 0


def _resumption(entrypoint: str) -> str:
    words = [word for word in shlex.split(entrypoint) if word != "--resume"]
    if words[: len(STEM)] != STEM:
        return ", saved"
    return f", saved; go on with: quarterdeck submit -- {shlex.join([*words[len(STEM) :], '--resume'])}"


def follow(client: Client, job: str, where: Address) -> int:
    """Print a job's log to its end; returns its exit status. A person who leaves does not end the job."""
    with one_line(client.get_address()):
        try:
            asyncio.run(_print_log(client, job))
        except KeyboardInterrupt:
            print(f"\njob {job} goes on: {where.hint('logs', job)} --follow", file=sys.stderr)
            print(f"stop it with: {where.hint('stop', job)}", file=sys.stderr)
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
    code = job.driver_exit_code
    message = f"exit status {code}" if code else (job.message or "no reason given").strip().splitlines()[-1]
    print(f"job {job.submission_id} {job.status}: {message}", file=sys.stderr)
    return 1 if not code else code if code > 0 else 128 - code


def about(job: Any) -> dict[str, str]:
    """What was told of a job when it was submitted."""
    return dict(job.metadata or {})


def _row(job: Any) -> tuple[str, ...]:
    told, end = about(job), job.end_time or 1000 * time.time()
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.start_time / 1000)) if job.start_time else "-"
    minutes = f"{(end - job.start_time) / 60_000:.1f}" if job.start_time else "-"
    shown = (told.get(name, "-") for name in ("preset", "seed", "commit"))
    return (job.submission_id, str(job.status), began, minutes, *shown, told.get("run_dir", job.entrypoint))
