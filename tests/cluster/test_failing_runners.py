"""A runner that is lost comes back; one that fails, in its environment or outside it, ends the run in the end."""

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
    """Runners of which one ends both of its calls in an error, whenever it is looked at."""
    made = Runners([], in_flight=2)
    results = [CallResult(1, ResultOrError(error=error), "sample")] * 2
    manager: Any = SimpleNamespace(fetch_ready_async_reqs=lambda **_: results)
    made.manager = manager
    return made


def test_a_runner_that_fails_outside_its_environment(capfd: pytest.CaptureFixture[str]) -> None:
    """Its error is told every time, and the third time it is raised: it would go on for ever."""
    runners = answering(raised(RuntimeError("the weights do not fit")))
    for _ in range(MAX_FAILURES - 1):
        assert runners.chunks() == []
    line = "quarterdeck: runner 1 failed, it is asked again: RuntimeError: the weights do not fit"
    assert capfd.readouterr().err.splitlines() == [line] * (MAX_FAILURES - 1)
    with pytest.raises(FleetError, match="runner 1 failed 3 times without a chunk between: RuntimeError: the") as it:
        runners.chunks()
    assert type(it.value.__cause__) is RuntimeError


def test_a_runner_whose_packages_cannot_be_set_up() -> None:
    """Ray never tries again."""
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
    """However often: it comes back. The loss is told once."""
    runners = answering(over(error))
    for _ in range(MAX_FAILURES + 1):
        assert runners.chunks() == []
    assert runners.failures == {}
    line = "quarterdeck: runner 1 was lost; the others go on, and Ray starts it again"
    assert capfd.readouterr().err.splitlines() == [line]
