"""`quarterdeck jobs`, `logs` and `stop`: jobs of a cluster."""

from __future__ import annotations

import sys
import time
from typing import Any

from cluster.cli.options import Address, Logs, Stop
from cluster.jobs.client import connect, errors_in_one_line
from cluster.jobs.follow import POLL, about, follow, resumption

COLUMNS = ("job", "status", "began", "minutes", "preset", "seed", "commit", "run directory or command")


def jobs(options: Address) -> int:
    """Run `quarterdeck jobs`."""
    client = connect(options.address, insecure=True)
    with errors_in_one_line(client.get_address()):
        found = [job for job in client.list_jobs() if job.submission_id]  # without drivers that were not submitted
    rows = [COLUMNS, *(_row(job) for job in sorted(found, key=lambda job: job.start_time or 0))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def logs(options: Logs) -> int:
    """Run `quarterdeck logs ID [--follow]`."""
    client = connect(options.address, insecure=True)
    with errors_in_one_line(client.get_address()):
        client.get_job_info(options.job)  # raises if there is no such job
        if not options.follow:
            print(client.get_job_logs(options.job), end="")
            return 0
    return follow(client, options.job, options.hint)


def stop(options: Stop) -> int:
    """Run `quarterdeck stop ID`: the job saves and ends, and is killed only after a timeout."""
    client = connect(options.address, insecure=True)
    with errors_in_one_line(client.get_address()):
        before = client.get_job_info(options.job)
        if before.status.is_terminal():
            print(f"job {options.job} has already {before.status}")
            return 0
        client.stop_job(options.job)
        print(f"waiting until job {options.job} has saved", file=sys.stderr)
        while not (job := client.get_job_info(options.job)).status.is_terminal():
            time.sleep(POLL)
        saved = "\nsaved;" in client.get_job_logs(options.job)
    lost = ", not saved once more: what it had saved before is kept"
    print(f"job {options.job} {job.status}{resumption(job.entrypoint, options.there) if saved else lost}")
    return 0


def _row(job: Any) -> tuple[str, ...]:
    told, end = about(job), job.end_time or 1000 * time.time()
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.start_time / 1000)) if job.start_time else "-"
    minutes = f"{(end - job.start_time) / 60_000:.1f}" if job.start_time else "-"
    shown = (told.get(name, "-") for name in ("preset", "seed", "commit"))
    return (job.submission_id, str(job.status), began, minutes, *shown, told.get("run_dir", job.entrypoint))
