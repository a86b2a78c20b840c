"""Start of Ray by a command: worker variables, retries and errors; and its end before the closing evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import AuthenticationError

from agents.dqn.serial import SerialLoop
from agents.evaluation.evaluate import Scores
from agents.evaluation.evaluate import evaluate_policy as evaluate
from cluster.cli.main import main
from cluster.connect import STARTS, start_own
from tests.cluster.helpers import TIMEOUT, TINY_CATCH, run_program
from tests.cluster.records import refused

PROGRAM = """
import json, os, sys
import ray
import cluster.connect
from cluster.connect import WORKER_ENV, start_ray

assert "ray.rllib" not in sys.modules

class Actor:
    def found(self):
        return {name: os.environ.get(name) for name in WORKER_ENV}

cluster.connect.estimate_available_memory = lambda: int(sys.argv[1])
first = start_ray(1)
actor = ray.remote(num_cpus=0)(Actor).remote()
offered = ray.cluster_resources()["memory"]
print(json.dumps([first, start_ray(1), WORKER_ENV, ray.get(actor.found.remote()), offered]))
"""


@pytest.mark.ray
@pytest.mark.timeout(TIMEOUT)
def test_workers_of_ones_own_ray_have_its_variables() -> None:
    """Actors have `WORKER_ENV`, with idle threads that sleep; only the first `start_ray` returns True.

    Ray offers all free memory, so that a replay shard that needs most of it is scheduled.
    """
    free = 3 << 30
    done = run_program(PROGRAM, str(free))
    assert done.returncode == 0, done.stderr
    first, second, wanted, found, offered = json.loads(done.stdout.splitlines()[-1])
    assert (first, second) == (True, False)
    assert found == wanted
    assert found["OMP_WAIT_POLICY"] == "PASSIVE"
    assert offered == free


def test_the_closing_evaluation_has_the_cores_to_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The run is closed before the closing evaluation begins."""
    happened: list[str] = []
    close = SerialLoop.close

    def closed(run: SerialLoop) -> None:
        happened.append("closed")
        close(run)

    def evaluated(*args: Any, **options: Any) -> Scores:
        happened.append("evaluates")
        return evaluate(*args, **options)

    monkeypatch.setattr(SerialLoop, "close", closed)
    monkeypatch.setattr("agents.evaluation.judged.evaluate_policy", evaluated)
    words = ["train", "atari", *TINY_CATCH, "--serial", "--steps", "300", "--run-dir", str(tmp_path / "run")]
    assert main(words) == 0
    assert happened[:2] == ["closed", "evaluates"]


def test_a_ray_that_gives_up_on_itself_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start of Ray that times out, as on busy cores, is tried `STARTS` times; other errors are raised at once."""
    said: list[str] = []
    monkeypatch.setattr("cluster.connect.say", said.append)
    failures = [Exception("The current node timed out during startup. This could happen because"), None]

    def init(**options: int) -> None:
        assert options == {"num_cpus": 3}
        if failure := failures.pop(0):
            raise failure

    monkeypatch.setattr("cluster.connect.ray.init", init)
    start_own(num_cpus=3)
    assert said == ["Ray has not started within half a minute; retrying"]
    failures[:] = [failures_of_ray := Exception("no such address"), None]
    with pytest.raises(Exception, match="no such address") as caught:
        start_own(num_cpus=3)
    assert caught.value is failures_of_ray
    failures[:] = [Exception("timed out during startup")] * STARTS
    with pytest.raises(Exception, match="timed out"):
        start_own(num_cpus=3)
    assert not failures


@pytest.mark.parametrize("address", ["10.0.0.1:6379", None])
@pytest.mark.parametrize(
    "failure",
    [
        AuthenticationError("Token authentication is enabled but no token was found"),
        RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.59.0\n    Python: 3.12.1"),
        Exception("The current node timed out during startup. This could happen because"),
    ],
    ids=["no token", "another version", "never up"],
)
def test_a_ray_that_cannot_be_used_is_one_line(
    failure: Exception,
    address: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An error of `ray.init` becomes one line with the address and Ray's message, and no run directory is made."""

    def init(**options: Any) -> None:
        raise failure

    monkeypatch.setenv("RAY_ADDRESS", address) if address else monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # restored after the test
    monkeypatch.setattr("cluster.connect.ray.is_initialized", lambda: False)
    monkeypatch.setattr("cluster.connect.ray.init", init)
    monkeypatch.setattr("cluster.connect.say", lambda line: None)
    said = refused(capsys, "train", "cartpole", "--run-dir", str(tmp_path / "run"))
    assert f"cannot use Ray {f'at {address}' if address else 'on this machine'}: {type(failure).__name__}: " in said
    assert " ".join(str(failure).split()) in said
    assert list(tmp_path.iterdir()) == []
