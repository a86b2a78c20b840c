"""A learner may be lost at any moment, not only while it learns: the run goes on from its last whole checkpoint."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray
from ray.rllib.utils.actor_manager import ResultOrError

from cluster.cli.main import main
from cluster.errors import LearnerLost
from cluster.fleet.loop import LEARNER_FAILURES, FleetLoop
from tests.cluster.helpers import PATIENCE, TIMEOUT, TINY_CATCH, catch_settings, process_of, still_alive
from tests.cluster.records import checked_summary, saved
from training.storage import checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


def saving_to(learner: Any, folder: str) -> None:
    """Let a learner write its replay elsewhere."""
    save = learner.save_replay
    learner.save_replay = lambda _: save(folder)


@pytest.fixture(scope="module")
def fleet(ray_cluster: None) -> Iterator[FleetLoop]:
    """A runner and a learner that keeps its replay. A learner that a test has left dead is replaced by the next."""
    run = FleetLoop(catch_settings(runners=1, learners=1))
    yield run
    run.close()


@pytest.fixture
def run(fleet: FleetLoop) -> FleetLoop:
    """That fleet after some updates, with nothing lost and nothing saved."""
    fleet.saved = None
    train(fleet, fleet.stats.updates + 5)
    fleet.failures = 0
    return fleet


def train(run: FleetLoop, updates: int) -> None:
    """Let a run train until so many updates are done."""
    while run.stats.updates < updates:
        run.step()


def kill_learner(run: FleetLoop) -> None:
    """SIGKILL, and wait for the end."""
    (pid,) = run.algo._each_learner(lambda _: os.getpid())
    process = psutil.Process(pid)
    process.kill()
    still_alive([process])


def dying(shard: Any) -> None:
    """Let a learner's replay take its process along when it is asked for what it holds."""
    shard.state = lambda: os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("resumed", [False, True])
def test_over_the_evaluation_beside_training(run: FleetLoop, resumed: bool, tmp_path: Path) -> None:
    """A resumed run that has saved nothing yet goes back to the checkpoint that it came from."""
    whole = run.save(tmp_path)
    if resumed:
        run.saved = None
        run.load(whole)
    before, trained = run.stats.agent_steps, run.algo.train

    def train_and_die() -> Any:
        result = trained()
        kill_learner(run)
        run.beside.pending, run.beside.next_at = None, 1  # the next one is due
        return result

    run.algo.train = train_and_die
    run.step()
    assert (run.failures, run.saved) == (1, whole)
    assert run.stats.agent_steps >= before
    updates = run.stats.updates
    train(run, updates + 5)


def test_over_the_first_checkpoint(run: FleetLoop, tmp_path: Path) -> None:
    """There is nothing to go back to: the run begins anew, and saves that."""
    run.algo._each_learner(lambda learner: dying(learner.own_shard()))
    whole = run.save(tmp_path)
    assert run.failures == 1
    assert [path.name for path in tmp_path.iterdir()] == [whole.name] == ["agent_steps-000000000000"]
    train(run, 5)


def test_over_a_later_checkpoint(run: FleetLoop, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Half of a checkpoint is gone, the one before is whole, and the run is where it was then."""
    first = run.save(tmp_path)
    state = checkpoint.load(first)
    train(run, run.stats.updates + 5)
    run.algo._each_learner(lambda learner: dying(learner.own_shard()))
    assert run.save(tmp_path) == run.saved == first
    assert f"a learner was lost; resuming from {first}" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    assert checkpoint.load(first)["stats"] == state["stats"] == run.stats.state()
    assert checkpoint.load(first / "replay-0")
    train(run, run.stats.updates + 5)


def test_one_that_ray_ends_for_want_of_memory(run: FleetLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray says it in an error of another kind; it is a lost learner all the same."""

    def ended(*_: Any, **__: Any) -> list[ResultOrError]:
        return [ResultOrError(error=ray.exceptions.OutOfMemoryError("the node was running low on memory"))]

    monkeypatch.setattr(run.algo.learner_group, "foreach_learner", ended)
    with pytest.raises(LearnerLost) as lost:
        run.algo._each_learner(lambda _: None)
    assert isinstance(lost.value.__cause__, ray.exceptions.OutOfMemoryError)


def test_a_replay_that_is_saved_to_another_machines_disk(run: FleetLoop, tmp_path: Path) -> None:
    """As where the run directory's path leads elsewhere on the learner's host: nothing is kept that could not load."""
    here, there = tmp_path / "here", str(tmp_path / "there")
    run.algo._each_learner(lambda learner: saving_to(learner, there))
    with pytest.raises(checkpoint.CheckpointError, match="replay-0 of the checkpoint is not on this machine"):
        run.save(here)
    assert list(here.iterdir()) == []
    run.algo._each_learner(lambda learner: vars(learner).pop("save_replay") and None)
    assert checkpoint.load(run.save(here) / "replay-0")


def test_silent_over_a_checkpoint(run: FleetLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner that does not answer in time counts as lost, too: it is ended, and another goes on."""
    first, begin_again = run.save(tmp_path), run._begin_again

    def patiently() -> None:
        monkeypatch.setattr("cluster.fleet.algorithm.LEARNER_TIMEOUT", PATIENCE)
        begin_again()

    (pid,) = run.algo._each_learner(lambda _: os.getpid())
    frozen = psutil.Process(pid)
    frozen.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(run, "_begin_again", patiently)
    monkeypatch.setattr("cluster.fleet.algorithm.LEARNER_TIMEOUT", 1.0)
    assert run.save(tmp_path) == first
    assert run.failures == 1
    assert still_alive([frozen]) == []
    train(run, run.stats.updates + 5)


def test_again_and_again(run: FleetLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One loss more than it survives ends the run, in one line; the policy to judge is the one that was saved."""
    assert LEARNER_FAILURES == 3
    monkeypatch.setattr("cluster.fleet.loop.LEARNER_FAILURES", 1)
    begin_again = FleetLoop._begin_again

    def doomed(self: FleetLoop) -> None:
        begin_again(self)
        kill_learner(self)

    monkeypatch.setattr(FleetLoop, "_begin_again", doomed)
    whole = run.save(tmp_path)
    kill_learner(run)
    policy = run.policy().network.state_dict()
    for name, value in checkpoint.load(whole, only="learner")["learner"]["policy"].items():
        assert np.array_equal(policy[name].numpy(), value)
    with pytest.raises(LearnerLost, match="a learner was lost 2 times: a learner died or stopped responding"):
        run.save(tmp_path)


def test_over_the_closing_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The command trains on to its end: what it reports was learned, and is what it saved."""
    save, path = FleetLoop.save, tmp_path / "run"

    def save_and_lose(self: FleetLoop, folder: Path) -> Path:
        if self.failures == 0:
            kill_learner(self)
        return save(self, folder)

    monkeypatch.setattr(FleetLoop, "save", save_and_lose)
    fleet = ["--fleet.learners", "1", "--steps", "400", "--run-dir", str(path)]
    assert main(["train", "atari", *TINY_CATCH, *fleet]) == 0
    assert capfd.readouterr().err.count("a learner was lost; resuming from the start") == 1
    summary = checked_summary(path, episodes=6)
    assert summary["agent_steps"] >= 400
    assert saved(path)["agent_steps"] == summary["agent_steps"]


def test_a_shard_that_is_frozen_over_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It counts as lost: it starts again, empty, and the checkpoint is whole."""
    monkeypatch.setattr("cluster.fleet.checkpoint.SHARD_TIMEOUT", 3.0)
    run = FleetLoop(catch_settings(runners=2, shards=2))
    try:
        train(run, 5)
        frozen = psutil.Process(process_of(run.algo.shards[0]))
        frozen.send_signal(signal.SIGSTOP)
        whole = run.save(tmp_path)
        assert "replay shard 0 has not answered for 3 s; it starts again, empty" in capfd.readouterr().err
        assert still_alive([frozen]) == []
        assert checkpoint.load(whole / "replay-1")
        assert (whole / "replay-0").is_dir()
        train(run, run.stats.updates + 5)
        run.load(whole)
        train(run, run.stats.updates + 5)
    finally:
        run.close()
