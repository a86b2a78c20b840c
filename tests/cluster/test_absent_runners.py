"""A replay fleet with unscheduled, frozen or slow runners, simulated without Ray: responsive runners play on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import ray

from agents.dqn.presets import pong
from agents.replay.limiter import SamplesPerInsert
from agents.stats import RunStats
from cluster.fleet.algorithm import Quarterdeck
from cluster.fleet.inserts import Inserts
from cluster.fleet.runners import Runners
from cluster.fleet.silence import SILENT_SECONDS
from training.settings import changed

RUNNERS = 4


class Player:
    """A fake actor handle of a runner; its calls stay pending while `there` is False."""

    def __init__(self) -> None:
        self.there = True
        self.apply = self.ping = SimpleNamespace(remote=lambda *_, **__: Call(self))


class Call:
    """A fake object reference of a pending call."""

    def __init__(self, player: Player) -> None:
        self.player = player


@pytest.fixture
def players(monkeypatch: pytest.MonkeyPatch) -> list[Player]:
    """Return fake runners, with `ray` patched so that calls to present ones return a chunk at once."""

    def wait(calls: list[Call], num_returns: int = 1, **_: Any) -> tuple[list[Call], list[Call]]:
        done = [call for call in calls if call.player.there][:num_returns]
        return done, [call for call in calls if call not in done]

    monkeypatch.setattr(ray, "wait", wait)
    monkeypatch.setattr(ray, "get", lambda call: {"chunk": call})
    return [Player() for _ in range(RUNNERS)]


class Fleet:
    """The main loop with pong's sizes: chunks count as inserted, and due updates as done."""

    def __init__(self, players: list[Player]) -> None:
        s = changed(pong(), {"fleet.runners": RUNNERS})
        self.algo, self.chunk = Quarterdeck.__new__(Quarterdeck), s.fleet.envs_per_runner * s.fleet.chunk_steps
        limiter = SamplesPerInsert(ratio=s.replay.samples_per_insert, learning_starts=s.replay.learning_starts)
        self.batch = s.learner.batch_size
        actors: list[Any] = list(players)
        self.runners = Runners(actors, in_flight=2)
        vars(self.algo).update(settings=s, limiter=limiter, runners=self.runners, stats=RunStats(), shards=[])
        vars(self.algo).update(inserts=Inserts([]), homes=[], weight_store=None)
        self.algo.slack = limiter.slack(self.batch, RUNNERS * self.chunk)
        self.algo.env_runner_group = SimpleNamespace(num_remote_env_runners=lambda: RUNNERS)
        self.runners.wait_for_one()

    def turns(self, count: int) -> int:
        """Run `count` turns; return the agent steps inserted in them."""
        limiter = self.algo.limiter
        before = limiter.inserted
        for _ in range(count):
            limiter.inserted += len(self.algo._collect()) * self.chunk
            limiter.sampled += limiter.updates_due(self.batch) * self.batch
        return limiter.inserted - before


def test_runners_without_a_place_hold_nobody_up(players: list[Player]) -> None:
    """Unscheduled runners do not block the fleet: one of four plays on, and the others join once they are scheduled."""
    for player in players[1:]:
        player.there = False
    fleet = Fleet(players)
    assert fleet.turns(100) >= 100 * fleet.chunk
    assert fleet.runners.waiting() == 2 * (RUNNERS - 1)
    assert fleet.algo.limiter.inserted > fleet.algo.limiter.learning_starts
    for player in players[1:]:
        player.there = True
    assert fleet.turns(10) >= 10 * RUNNERS * fleet.chunk, "and whoever finds a place plays with it"
    assert fleet.runners.health()["fleet/runners_alive"] == RUNNERS


def test_runners_that_freeze_hold_nobody_up_for_long(
    players: list[Player], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Frozen runners with two pending chunks each are reported after a timeout, and the last runner plays on."""
    monkeypatch.setattr("cluster.fleet.runners.POLL", SILENT_SECONDS / 8)
    fleet = Fleet(players)
    fleet.turns(20)
    for player in players[:3]:
        player.there = False
    assert fleet.turns(100) > 50 * fleet.chunk
    said = [f"quarterdeck: runner {number} has not answered for 20 s; continuing without it" for number in (1, 2, 3)]
    assert capfd.readouterr().err.splitlines() == said
    assert fleet.runners.health()["fleet/runners_alive"] == 1
    players[0].there = True
    fleet.turns(1)
    assert fleet.runners.health()["fleet/runners_alive"] == 2


def test_where_all_are_there_every_chunk_counts(players: list[Player]) -> None:
    """While all runners count as responsive, all their pending chunks are expected."""
    fleet = Fleet(players)
    fleet.turns(3)
    for player in players:
        player.there = False
    fleet.turns(3)
    assert fleet.runners.expected() == fleet.runners.waiting() > RUNNERS


def test_a_fleet_that_is_slow_as_a_whole_is_not_called_silent(
    players: list[Player], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """If all runners need longer than the timeout for a chunk, none is reported and all count as alive."""
    monkeypatch.setattr("cluster.fleet.runners.POLL", SILENT_SECONDS / 8)
    fleet = Fleet(players)
    for _ in range(3):
        for there, turns in ((True, 2), (False, 12)):
            for player in players:
                player.there = there
            fleet.turns(turns)
        assert fleet.runners.health()["fleet/runners_alive"] == RUNNERS
    assert capfd.readouterr().err == ""
