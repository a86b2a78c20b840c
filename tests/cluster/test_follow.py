"""A job that is followed: its log as it comes, what it waits for, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ray.job_submission import JobDetails, JobStatus, JobType

from cluster.jobs.follow import follow


class OneJob:
    """A cluster whose only job says a line, and ends; before that it waits for a place, if it has `patience`."""

    def __init__(self, status: str, code: int | None = None, patience: int = 0) -> None:
        """`status` and `code`: how it ends; `patience`: times that it is asked for while it waits."""
        self.status, self.code, self.patience = status, code, patience
        self.placed = asyncio.Event()

    def get_address(self) -> str:
        return "http://127.0.0.1:1"

    def get_job_info(self, job: str) -> JobDetails:
        """As Ray tells of it."""
        told: dict[str, Any] = {"status": JobStatus(self.status), "message": "one line\nkilled by its node"}
        if self.patience:
            told = {"status": JobStatus.PENDING, "message": "no node has 9 cores"}
            self.patience -= 1
        if not self.patience:
            self.placed.set()
        return JobDetails(
            type=JobType.SUBMISSION, submission_id=job, entrypoint="true", driver_exit_code=self.code, **told
        )

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        """The log, line by line."""
        if self.patience:
            await self.placed.wait()
        yield f"{job} says hello\n"


def followed(job: OneJob) -> int:
    """The exit status of whoever follows it."""
    client: Any = job
    return follow(client, "mine", lambda verb, name: f"quarterdeck {verb} {name}")


@pytest.mark.parametrize(
    ("status", "code", "exit_status", "said"),
    [
        ("SUCCEEDED", 0, 0, ""),
        ("FAILED", 2, 2, "job mine FAILED: exit status 2\n"),
        ("FAILED", -9, 128 + 9, "job mine FAILED: exit status -9\n"),
        ("FAILED", None, 1, "job mine FAILED: killed by its node\n"),
        ("STOPPED", None, 1, "job mine STOPPED: killed by its node\n"),
    ],
)
def test_the_exit_status_is_the_commands_own(
    capsys: pytest.CaptureFixture[str], status: str, code: int | None, exit_status: int, said: str
) -> None:
    """128 and the signal's number for one that a signal ended, as shells have it; 1 for one that has none."""
    assert followed(OneJob(status, code)) == exit_status
    assert tuple(capsys.readouterr()) == ("mine says hello\n", said)


def test_a_job_that_waits_says_once_what_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.jobs.follow.SILENCE", 0.01)
    assert followed(OneJob("SUCCEEDED", 0, patience=2)) == 0
    assert tuple(capsys.readouterr()) == ("mine says hello\n", "job mine: no node has 9 cores\n")
