"""A call to an actor that is gone raises one of several errors; whoever calls takes all of them for the same."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray
from ray.rllib.core.learner.learner_group import LearnerGroup, RLlibBackendExecutor
from ray.train.torch.config import TorchConfig, _TorchBackend

from agents.dqn.presets import catch
from cluster.cli.main import main
from cluster.errors import FleetError, LearnerLost
from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from cluster.fleet.checkpoint import each_shard, wait_for_shard
from cluster.fleet.evaluator import FAILURES, AsyncEvaluation
from cluster.fleet.inserts import Inserts
from cluster.fleet.loop import coming_up
from cluster.fleet.replay import ShardedReplay, replay_in
from cluster.fleet.runner import Runner
from tests.cluster.helpers import TINY_CATCH, raised
from tests.specs import spec_of
from training.storage import checkpoint

SHARD: Any = None


def nobody_answers(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call ends in this error."""

    def get(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(ray, "wait", lambda refs, **_: (refs, []))


@pytest.fixture(params=[ray.exceptions.RayActorError(), ray.exceptions.OutOfMemoryError("killed: low on memory")])
def gone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers any more: the process has died, or Ray's memory monitor has ended it."""
    nobody_answers(request.param, monkeypatch)


@pytest.fixture(
    params=[
        (ray.exceptions.ActorDiedError(raised(MemoryError("no room"))), "MemoryError: no room"),
        (ray.exceptions.RuntimeEnvSetupError("no pip"), "RuntimeEnvSetupError: Failed to set up .* no pip"),
        (ray.exceptions.ActorUnschedulableError("no node"), "ActorUnschedulableError: The actor is .*: no node"),
    ],
    ids=["in its __init__", "its packages", "its place"],
)
def unborn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Nobody comes back: Ray does not start them again -> what is said of that."""
    error, words = request.param
    nobody_answers(error, monkeypatch)
    return str(words)


@pytest.mark.usefixtures("gone")
def test_a_shard_that_is_gone() -> None:
    """It gives no batch, takes no chunk and has not saved; nobody fails of that."""
    assert ShardedReplay([SHARD], seed=0, prioritized=False)._ask(None) is None
    assert not wait_for_shard(None, SHARD, 0, 0.0)
    inserts = Inserts([SHARD])
    inserts.adding, inserts.turns_without_update = ["a chunk"], 7
    assert inserts.settle()
    assert inserts.turns_without_update == 0, "it comes back, and fills again"


def test_a_shard_that_never_comes_back(unborn: str) -> None:
    """A learner does without it; the driver ends the run, since every chunk of its runners would vanish."""
    assert ShardedReplay([SHARD], seed=0, prioritized=False)._ask(None) is None
    assert not wait_for_shard(None, SHARD, 0, 0.0), "what the others hold is still saved"
    inserts = Inserts([SHARD])
    inserts.adding = ["a chunk"]
    with pytest.raises(FleetError, match=f"a replay shard cannot start: {unborn}"):
        inserts.settle()


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


def test_an_evaluation_that_never_starts(unborn: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It is said, and the next one tries another actor; the third time in a row the run ends."""
    beside = AsyncEvaluation(catch(), spec_of())
    for _ in range(FAILURES - 1):
        beside.actor, beside.pending = object(), object()
        assert beside.poll(dict, 0, None) is None
        assert (beside.pending, beside.actor) == (None, None)
        line = f"quarterdeck: the evaluation during training failed, training goes on: {unborn}\n"
        assert re.fullmatch(line, capfd.readouterr().err)
    beside.actor, beside.pending = object(), object()
    with pytest.raises(FleetError, match=f"failed 3 times in a row: {unborn}"):
        beside.poll(dict, 0, None)


class DeadWorkers:
    """Ray Train's group of a learner that is gone."""

    def __init__(self) -> None:
        self.ended = False

    def execute_async(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def __len__(self) -> int:
        return 1

    def shutdown(self, patience_s: float = 5) -> None:
        self.ended = True


@pytest.mark.usefixtures("gone")
def test_a_learner_that_is_gone_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What RLlib sets up with it is stopped, its place is given back, and the rest of the fleet is stopped, too."""
    given_back: list[Any] = []
    monkeypatch.setattr("ray.train._internal.backend_executor.remove_placement_group", given_back.append)
    executor, group = RLlibBackendExecutor.__new__(RLlibBackendExecutor), LearnerGroup.__new__(LearnerGroup)
    workers = executor.worker_group = DeadWorkers()
    executor._backend, executor._backend_config, executor._placement_group = _TorchBackend(), TorchConfig(), "a place"
    group.config, group._backend_executor, group._is_shut_down = SimpleNamespace(num_learners=1), executor, False
    algo, stopped = Quarterdeck.__new__(Quarterdeck), list[str]()
    algo.learner_group, algo.env_runner_group = group, SimpleNamespace(stop=lambda: stopped.append("runners"))
    algo.cleanup()
    assert (workers.ended, given_back, stopped, group._is_shut_down) == (True, ["a place"], ["runners"], True)


def test_a_fleet_that_does_not_come_up_leaves_nobody_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runners would keep the cores that the next one waits for."""
    ended: list[str] = []

    def start(self: Quarterdeck, config: Any) -> None:
        self.runners: Any = SimpleNamespace(end=lambda: ended.append("runners"))
        raise ray.exceptions.OutOfMemoryError("killed: low on memory")

    monkeypatch.setattr(Quarterdeck, "_start", start)
    algo = Quarterdeck.__new__(Quarterdeck)
    with pytest.raises(ray.exceptions.OutOfMemoryError):
        algo.setup(QuarterdeckConfig().from_settings(catch()))
    assert ended == ["runners"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ray.exceptions.OutOfMemoryError("killed: low on memory"), "OutOfMemoryError: killed: low on memory"),
        (ray.exceptions.ActorDiedError(raised(MemoryError("no room"))), "MemoryError: no room"),
        (raised(RuntimeError("no device")).as_instanceof_cause(), "RuntimeError: no device"),
        (ray.exceptions.RuntimeEnvSetupError("no pip"), "RuntimeEnvSetupError: Failed to set up .* no pip"),
    ],
)
def test_a_fleet_that_never_came_up_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    """A shard without memory, a learner that cannot be built: whatever Ray says of them."""

    def build(_: QuarterdeckConfig) -> None:
        raise error

    monkeypatch.setattr(QuarterdeckConfig, "build_algo", build)
    monkeypatch.setattr("cluster.fleet.loop.connect", lambda settings: (settings, False))
    assert main(["train", "atari", *TINY_CATCH, f"--run-dir={tmp_path / 'run'}"]) == 2
    assert re.fullmatch(f"quarterdeck: the fleet did not start: {words}\n", capfd.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_a_learner_that_dies_as_it_meets_its_peers() -> None:
    """Ray Train raises nothing then, in the sense of the word; what else raises a TypeError is not taken for that."""
    executor = RLlibBackendExecutor(TorchConfig(), num_workers=1, max_retries=0)

    def start() -> None:
        try:
            raise ray.exceptions.RayActorError
        except ray.exceptions.RayActorError:
            executor._increment_failures()

    with pytest.raises(LearnerLost, match="the fleet did not start: RayActorError: The actor"), coming_up():
        start()
    with pytest.raises(TypeError), coming_up():
        raise TypeError


def test_a_shard_that_loads_at_the_last_moment_keeps_its_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It was given up, and answers after all: the checkpoint it was loaded from stays what it is."""
    part = replay_in(tmp_path, 0)
    checkpoint.save(part, {"rows": np.arange(3)})
    for name, value in {"BACK_TIMEOUT": -1.0, "wait_for_shard": lambda *_: False}.items():
        monkeypatch.setattr(f"cluster.fleet.checkpoint.{name}", value)
    monkeypatch.setattr(ray, "wait", lambda refs, **_: (refs, []))
    monkeypatch.setattr(ray, "get", lambda ref, timeout: None)
    shard = SimpleNamespace(**{verb: SimpleNamespace(remote=lambda path: path) for verb in ("save", "load")})
    each_shard("load", [shard], tmp_path)
    assert checkpoint.load(part)["rows"].tolist() == [0, 1, 2]
    each_shard("save", [shard], tmp_path)
    assert checkpoint.load(part) == {}
