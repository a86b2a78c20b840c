"""A call to an actor that is gone raises one of several errors; whoever calls takes all of them for the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import ray

from agents.dqn.presets import catch
from cluster.fleet.checkpoint import answered
from cluster.fleet.evaluator import AsyncEvaluation
from cluster.fleet.inserts import Inserts
from cluster.fleet.replay import ShardedReplay
from cluster.fleet.runner import Runner
from tests.specs import spec_of

SHARD: Any = None


@pytest.fixture(params=[ray.exceptions.RayActorError(), ray.exceptions.OutOfMemoryError("killed: low on memory")])
def gone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers any more: the process has died, or Ray's memory monitor has ended it."""

    def get(*_: Any, **__: Any) -> None:
        raise request.param

    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(ray, "wait", lambda refs, **_: (refs, []))


@pytest.mark.usefixtures("gone")
def test_a_shard_that_is_gone() -> None:
    """It gives no batch, takes no chunk and has not saved; nobody fails of that."""
    assert ShardedReplay([SHARD], seed=0, prioritized=False)._ask(None) is None
    assert not answered(None, SHARD, 0, 0.0)
    inserts = Inserts([SHARD])
    inserts.adding, inserts.barren = ["a chunk"], 7
    assert inserts.settle()
    assert inserts.barren == 0, "it comes back, and fills again"


@pytest.mark.usefixtures("gone")
def test_a_weight_store_that_is_gone() -> None:
    """A runner plays on with what it has."""
    runner = Runner.__new__(Runner)
    runner.version = 3
    assert runner._pull(SimpleNamespace(other_than=SimpleNamespace(remote=lambda version: None)))


@pytest.mark.usefixtures("gone")
def test_an_evaluation_that_is_gone() -> None:
    """It failed by no error of its own, and counts as none."""
    beside = AsyncEvaluation(catch(), spec_of())
    beside.actor, beside.pending = object(), object()
    assert beside.poll(dict, 0, None) is None
    assert (beside.pending, beside.failures) == (None, 0)
    assert beside.actor is not None
