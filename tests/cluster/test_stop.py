"""The message of `quarterdeck stop` about a job's end, depending on the job's log."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ray.job_submission import JobStatus

from cluster.cli.main import main

SAVED = "1,024 steps\nsaved; resume with: quarterdeck train pong --run-dir /shared/pong --resume\n"
ENTRYPOINT = "python -m cluster train pong --run-dir /shared/pong"


class Server:
    """A fake job server whose only job stops at once."""

    def __init__(self, log: str) -> None:
        self.log, self.status = log, JobStatus.RUNNING

    def get_address(self) -> str:
        return "http://127.0.0.1:8265"

    def get_job_info(self, job: str) -> SimpleNamespace:
        return SimpleNamespace(status=self.status, entrypoint=ENTRYPOINT)

    def stop_job(self, job: str) -> None:
        self.status = JobStatus.STOPPED

    def get_job_logs(self, job: str) -> str:
        return self.log


@pytest.mark.parametrize(
    ("asked", "log", "end"),
    [
        ([], SAVED, "saved; resume with: quarterdeck submit -- train pong --run-dir /shared/pong --resume"),
        (
            ["--address", "http://127.0.0.1:9000"],
            SAVED,
            "saved; resume with: quarterdeck submit --address http://127.0.0.1:9000 -- "
            "train pong --run-dir /shared/pong --resume",
        ),
        (
            [],
            "1,024 steps\n",
            "not saved once more: what it had saved before is kept",
        ),  # a training also saves every few minutes
    ],
)
def test_the_end_of_a_job_that_was_stopped(
    asked: list[str], log: str, end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cluster.cli.jobs.connect", lambda address, insecure: Server(log))
    assert main(["stop", "job-1", *asked]) == 0
    assert capsys.readouterr().out == f"job job-1 STOPPED, {end}\n"
