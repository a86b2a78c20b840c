"""Self-play by a fleet whose learner is lost: league and exploiter go back with it. The fleet is one process here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from agents.dqn.run import DqnRun
from agents.dqn.serial import SerialLoop
from agents.selfplay.parts import make_env
from agents.selfplay.presets import toy_duel
from cluster.errors import LearnerLost
from cluster.fleet.loop import FleetLoop
from cluster.self_play import make_run
from tests.cluster.tiny import TINY_SELFPLAY
from tests.trees import assert_same
from training.settings import changed
from training.storage import checkpoint

OFTEN = {"league.snapshot_every": 60, "league.latest_every": 30, "league.exploit_every": 90, "league.exploit_steps": 80}


class OneProcess:
    """What a fleet loop asks of its algorithm, whose learner is lost over `dying` (a method of this) if that is set."""

    def __init__(self, settings: Any) -> None:
        self.loop, self.dying = SerialLoop(settings, env=make_env(settings, settings.fleet.lanes, 1)), ""
        self.stats, self.limiter, self.policy, self.load = [
            getattr(self.loop, name) for name in ("stats", "limiter", "policy", "load")
        ]
        self.policy_weights, self.get_state, self.stop = dict, self.loop.state, self.loop.close
        self.runners = SimpleNamespace(health=dict)

    def train(self) -> None:
        self.loop.step()
        self.die("train")

    def save_replay(self, part: Path) -> None:
        checkpoint.save(part / "replay-0", self.loop.replay.state())
        self.die("save_replay")

    def die(self, over: str) -> None:
        if self.dying == over:
            raise LearnerLost("killed")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DqnRun:
    """A run that has a league, and exploiters now and then."""

    def start(self: Any) -> None:
        self.algo, self.beside = OneProcess(self.settings), SimpleNamespace(poll=lambda *_: None, stop=lambda: None)
        self.stats, self.limiter = self.algo.stats, self.algo.limiter

    monkeypatch.setattr(FleetLoop, "start", start)
    monkeypatch.setattr("cluster.fleet.loop.connect", lambda settings: (settings, False))
    return make_run(changed(toy_duel(), {**TINY_SELFPLAY, **OFTEN}), toy_duel(), tmp_path / "run")


def train(run: DqnRun, until: int) -> None:
    """Let a run train up to so many agent steps."""
    while run.clock.now < until:
        run.step(run.clock.end)


def test_over_an_update(run: DqnRun, tmp_path: Path) -> None:
    """No opponent knows more than the learner, and snapshots come again."""
    loop: Any = run.loop
    train(run, 120)
    path = run.save(tmp_path)
    saved = checkpoint.load(path / "league")
    train(run, 400)
    assert len(loop.league.members) > len(saved["members"]) + 3
    loop.loop.algo.dying = "train"
    run.step(run.clock.end)
    turn = loop.settings.fleet.lanes * loop.settings.fleet.chunk_steps
    assert 0 < run.clock.now - checkpoint.load(path)["stats"]["agent_steps"] <= turn
    assert set(saved["members"]) <= set(loop.league.members)
    assert max(member.agent_steps for member in loop.league.members.values()) <= run.clock.now
    assert 0 <= run.clock.now - loop.league.renewed_at < 30 + turn
    assert loop.exploiter is None or loop.exploiter.since <= run.clock.now
    train(run, run.clock.now + 60)
    assert loop.league.frozen_at > saved["frozen_at"]
    run.close()


@pytest.mark.parametrize("before", [True, False])
def test_over_a_checkpoint(run: DqnRun, tmp_path: Path, before: bool) -> None:
    """What is saved then is the league of the checkpoint before, or the one that a run begins with."""
    loop: Any = run.loop
    expected: Any = loop.league.state()
    train(run, 100)
    assert loop.exploiter is not None
    if before:
        expected = checkpoint.load(run.save(tmp_path) / "league")
        train(run, 300)
    loop.loop.algo.dying = "save_replay"
    path = run.save(tmp_path)
    assert_same(checkpoint.load(path / "league"), expected)
    assert (path / "exploiter").exists() == before
    assert loop.exploiter is None or loop.exploiter.loop.stats.agent_steps < 100
    assert [kept.name for kept in tmp_path.glob("agent_steps-*")] == [path.name]
    run.close()


def test_over_the_beginning_of_another(run: DqnRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that Ray's memory monitor ends as soon as it is there counts as lost once more."""
    loop: Any = run.loop
    path, start = run.save(tmp_path), FleetLoop.start
    losses = [ray.exceptions.OutOfMemoryError("low on memory"), ray.exceptions.RayActorError()]

    def start_and_die(self: FleetLoop) -> None:
        if losses:
            raise losses.pop()
        start(self)

    monkeypatch.setattr(FleetLoop, "start", start_and_die)
    loop.loop.algo.dying = "save_replay"
    assert run.save(tmp_path) == path
    assert (losses, loop.loop.failures) == ([], 3)
    losses = [ray.exceptions.OutOfMemoryError("low on memory")] * 4
    loop.loop.algo.dying = "save_replay"
    with pytest.raises(LearnerLost, match="a learner was lost 4 times"):
        run.save(tmp_path)
    run.close()


def test_over_the_loading_of_another(run: DqnRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet that loses a part before it has taken over the checkpoint is built once more."""
    loop: Any = run.loop
    path, start = run.save(tmp_path), FleetLoop.start
    losses = [ray.exceptions.RayActorError()]

    def load(_: Path) -> None:
        raise losses.pop()

    def start_to_lose(self: Any) -> None:
        start(self)
        if losses:
            self.algo.load = load

    monkeypatch.setattr(FleetLoop, "start", start_to_lose)
    loop.loop.algo.dying = "save_replay"
    assert run.save(tmp_path) == path
    assert (losses, loop.loop.failures) == ([], 2)
    run.close()
