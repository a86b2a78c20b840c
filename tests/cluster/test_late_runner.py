"""A fleet of PQN waits for the runners that play for this turn, and for no others; here nobody plays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agents.stats import RunStats
from cluster.fleet.on_policy import OnPolicyLoop
from tests.cluster.helpers import TIMEOUT

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


class Played:
    """Runners that play nothing: a test says who answers and who dies."""

    def __init__(self) -> None:
        self.there, self.turns, self.done = {1, 2}, dict[int, int](), set[int]()

    def probe_lost(self) -> None:
        """Nobody comes back."""

    def owing(self) -> set[int]:
        return set(self.turns)

    def waiting(self) -> int:
        return len(self.turns)

    def ask(self, request: dict[str, Any]) -> None:
        self.turns |= dict.fromkeys(self.there - self.turns.keys(), request["turn"])

    def answer(self, number: int) -> None:
        self.done.add(number)

    def die(self, number: int) -> None:
        self.there.remove(number)
        del self.turns[number]

    def chunks(self) -> list[dict[str, Any]]:
        done, self.done = self.done, set()
        return [{"runner": number, "turn": self.turns.pop(number)} for number in done]


def test_the_death_of_a_runner_that_is_late_costs_the_other_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It owed the rollout of an earlier turn; the other's, of this turn, is still waited for and learned from."""
    monkeypatch.setattr("cluster.fleet.on_policy.LATE_SECONDS", 0.0)
    monkeypatch.setattr("cluster.fleet.on_policy.STEP_SECONDS", 0.02)
    loop: Any = OnPolicyLoop.__new__(OnPolicyLoop)
    learner = SimpleNamespace(weights=dict)
    vars(loop).update(learner=learner, stats=RunStats(), turn=0, rollouts=[], held=set(), asked=0.0, late=0.0)
    played = loop.runners = Played()
    assert loop._collect() == []
    played.answer(2)
    while not (found := loop._collect()):
        loop.late = 0.0  # runner 1 has had its time
    assert (found, loop.held) == ([{"runner": 2, "turn": 1}], {1})
    assert loop._collect() == []
    assert played.turns == {1: 1, 2: 2}, "runner 1 still owes the first turn's"
    played.die(1)
    assert loop._collect() == []
    assert (loop.turn, loop.held) == (2, set())
    played.answer(2)
    while not (found := loop._collect()):
        assert loop.turn == 2
    assert found == [{"runner": 2, "turn": 2}]
