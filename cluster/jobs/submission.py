"""Checks before the submission of a job: resources and run directory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from cluster.jobs.client import Client
from cluster.jobs.follow import about

STOP_SECONDS = 1800  # for a job to save after it was told to stop


def resources_of(text: str) -> dict[str, float]:
    """Parse the resources of a job's driver besides cores and GPUs, from JSON.

    Raises:
        ValueError: the text is invalid.
    """
    try:
        return {str(name): float(amount) for name, amount in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError):
        raise ValueError(
            f"--entrypoint-resources {text}: write JSON with an amount for each, as in '{{\"learner\": 1}}'"
        ) from None


def refuse_two_writers(client: Client, told: dict[str, str], hint: Callable[[str, str], str]) -> None:
    """Check that no other job writes to the run directory.

    Raises:
        ValueError: a running job writes there.
    """
    run_dir = told.get("run_dir")
    for job in client.list_jobs() if run_dir else []:
        theirs = about(job).get("run_dir")
        if theirs and not job.status.is_terminal() and os.path.realpath(theirs) == os.path.realpath(str(run_dir)):
            remedy = hint("stop", job.submission_id) + (", then add --resume" if "preset" in told else "")
            raise ValueError(f"job {job.submission_id} still writes to {run_dir}: {remedy}")
