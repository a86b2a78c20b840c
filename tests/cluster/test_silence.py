"""A process that is frozen is named while the fleet waits for it, and once more when it answers."""

from __future__ import annotations

import os
import signal

import pytest

from cluster.algorithm import Quarterdeck
from cluster.config import QuarterdeckConfig
from tests.cluster.helpers import TIMEOUT, catch_settings, process_of, train_until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


def process_named(algo: Quarterdeck, part: str) -> int:
    """The process that a line is about."""
    if part == "a learner":
        pid: int = algo._each_learner(lambda _: os.getpid())[0]
        return pid
    return process_of(algo.board if part == "the weight board" else algo.shards[0])


@pytest.mark.parametrize("part", ["replay shard 0", "the weight board", "a learner"])
def test_what_is_silent_is_named(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is blamed, and training goes on as soon as it can."""
    said: list[str] = []
    settings = catch_settings(runners=1, shards=1, learners=1)
    algo = QuarterdeckConfig().from_settings(settings).reporting(min_time_s_per_iteration=0.1).build_algo()
    try:
        train_until(algo, lambda: algo.stats.updates > 5)
        frozen = process_named(algo, part)

        def say(line: str) -> None:
            said.append(line)
            os.kill(frozen, signal.SIGCONT)

        monkeypatch.setattr("cluster.silence.say", say)
        os.kill(frozen, signal.SIGSTOP)
        train_until(algo, lambda: len(said) == 2)
        assert said[0].startswith(f"{part} has not answered for 2")
        assert said[1] == f"{part} answers again"
        updates = algo.stats.updates
        train_until(algo, lambda: algo.stats.updates > updates + 5)
        assert len(said) == 2
    finally:
        algo.stop()
