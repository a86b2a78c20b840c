"""A lost runner is only reported; a runner that fails repeatedly or cannot start ends the run."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.rllib.utils.actor_manager import CallResult, ResultOrError

from cluster.errors import FleetError
from cluster.fleet.runners import MAX_FAILURES, Runners
from tests.cluster.helpers import raised


def answering(error: Exception) -> Runners:
    """Return runners of which one answers both of its calls with an error at every poll."""
    made = Runners([], in_flight=2)
    results = [CallResult(1, ResultOrError(error=error), "sample")] * 2
    manager: Any = SimpleNamespace(fetch_ready_async_reqs=lambda **_: results)
    made.manager = manager
    return made


def test_a_runner_that_fails_outside_its_environment(capfd: pytest.CaptureFixture[str]) -> None:
    """A runner's error outside its env is reported each time, and the third one in a row ends the run."""
    runners = answering(raised(RuntimeError("the weights do not fit")))
    for _ in range(MAX_FAILURES - 1):
        assert runners.chunks() == []
    line = "quarterdeck: runner 1 failed, retrying: RuntimeError: the weights do not fit"
    assert capfd.readouterr().err.splitlines() == [line] * (MAX_FAILURES - 1)
    with pytest.raises(FleetError, match="runner 1 failed 3 times without a chunk between: RuntimeError: the") as it:
        runners.chunks()
    assert type(it.value.__cause__) is RuntimeError


def test_a_runner_whose_packages_cannot_be_set_up() -> None:
    """A failed setup of a runner's packages ends the run at once, since Ray does not retry it."""
    with pytest.raises(FleetError, match=r"runner 1 cannot start: RuntimeEnvSetupError: .* no pip"):
        answering(ray.exceptions.RuntimeEnvSetupError("no pip")).chunks()


@pytest.mark.parametrize("over", [lambda error: error, raised], ids=["itself", "a call of its own"])
@pytest.mark.parametrize(
    "error",
    [
        ray.exceptions.RayActorError(),
        ray.exceptions.OutOfMemoryError("killed: low on memory"),
        ray.exceptions.ObjectLostError("0", None, ""),
    ],
)
def test_a_runner_that_is_lost_has_not_failed(
    error: Exception, over: Callable[[Exception], Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    """The loss of a runner is reported once and never counts as a failure, however often it is lost."""
    runners = answering(over(error))
    for _ in range(MAX_FAILURES + 1):
        assert runners.chunks() == []
    assert runners.failures == {}
    line = "quarterdeck: runner 1 was lost; the others continue, and Ray restarts it"
    assert capfd.readouterr().err.splitlines() == [line]
