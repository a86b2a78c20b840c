"""A replay fleet of which most runners are not there, or keep silent: those that play are asked on. No Ray here."""

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
    """A runner's actor: calls to it wait for as long as it is not there."""

    def __init__(self) -> None:
        self.there = True
        self.apply = self.ping = SimpleNamespace(remote=lambda *_, **__: Call(self))


class Call:
    """What Ray gives for an answer to come."""

    def __init__(self, player: Player) -> None:
        self.player = player


@pytest.fixture
def players(monkeypatch: pytest.MonkeyPatch) -> list[Player]:
    """Every call to one who is there has its chunk at once."""

    def wait(calls: list[Call], num_returns: int = 1, **_: Any) -> tuple[list[Call], list[Call]]:
        done = [call for call in calls if call.player.there][:num_returns]
        return done, [call for call in calls if call not in done]

    monkeypatch.setattr(ray, "wait", wait)
    monkeypatch.setattr(ray, "get", lambda call: {"chunk": call})
    return [Player() for _ in range(RUNNERS)]


class Fleet:
    """The main loop with pong's sizes: a chunk goes into replay, the learner does what is due."""

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
        """Agent steps inserted over so many turns."""
        limiter = self.algo.limiter
        before = limiter.inserted
        for _ in range(count):
            limiter.inserted += len(self.algo._collect()) * self.chunk
            limiter.sampled += limiter.updates_due(self.batch) * self.batch
        return limiter.inserted - before


def test_runners_without_a_place_hold_nobody_up(players: list[Player]) -> None:
    """Ray takes them for alive, and their requests wait: one of four plays on."""
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
    """They owe two chunks each; once nobody has answered for long they are named, and the last one plays on."""
    monkeypatch.setattr("cluster.fleet.runners.POLL", SILENT_SECONDS / 8)
    fleet = Fleet(players)
    fleet.turns(20)
    for player in players[:3]:
        player.there = False
    assert fleet.turns(100) > 50 * fleet.chunk
    said = [f"quarterdeck: runner {number} has not answered for 20 s; nobody waits for it" for number in (1, 2, 3)]
    assert capfd.readouterr().err.splitlines() == said
    assert fleet.runners.health()["fleet/runners_alive"] == 1
    players[0].there = True
    fleet.turns(1)
    assert fleet.runners.health()["fleet/runners_alive"] == 2


def test_where_all_are_there_every_chunk_counts(players: list[Player]) -> None:
    """So nobody is asked for more than before."""
    fleet = Fleet(players)
    fleet.turns(3)
    for player in players:
        player.there = False
    fleet.turns(3)
    assert fleet.runners.expected() == fleet.runners.waiting() > RUNNERS


def test_a_fleet_that_is_slow_as_a_whole_is_not_called_silent(
    players: list[Player], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each of its chunks takes longer than that, and nobody would be asked for more."""
    monkeypatch.setattr("cluster.fleet.runners.POLL", SILENT_SECONDS / 8)
    fleet = Fleet(players)
    for _ in range(3):
        for there, turns in ((True, 2), (False, 12)):
            for player in players:
                player.there = there
            fleet.turns(turns)
        assert fleet.runners.health()["fleet/runners_alive"] == RUNNERS
    assert capfd.readouterr().err == ""
