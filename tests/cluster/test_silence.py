"""A frozen process is named while the fleet waits for it and when it answers; stopping does not wait for it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from cluster.fleet.silence import LOOK_SECONDS, SILENT_SECONDS, SilenceWatch
from tests.cluster.helpers import TIMEOUT, catch_settings, process_of, still_alive, train_until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


def process_named(algo: Quarterdeck, part: str) -> int:
    """Return the process id of a part as messages name it."""
    if part == "a learner":
        pid: int = algo._each_learner(lambda _: os.getpid())[0]
        return pid
    return process_of(algo.weight_store if part == "the weight store" else algo.shards[0])


@pytest.fixture(scope="module")
def algo(ray_cluster: None) -> Iterator[Quarterdeck]:
    """Return a fleet with a process for every part, after its first updates."""
    settings = catch_settings(runners=1, shards=1, learners=1)
    algo = QuarterdeckConfig().from_settings(settings).reporting(min_time_s_per_iteration=0.1).build_algo()
    train_until(algo, lambda: algo.stats.updates > 5)
    yield algo
    algo.stop()


@pytest.mark.parametrize("part", ["replay shard 0", "the weight store", "a learner"])
def test_what_is_silent_is_named(algo: Quarterdeck, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the frozen process is named, once when silent and once when it answers, and training continues."""
    said: list[str] = []
    frozen = process_named(algo, part)

    def say(line: str) -> None:
        said.append(line)
        os.kill(frozen, signal.SIGCONT)

    monkeypatch.setattr("cluster.fleet.silence.say", say)
    with monkeypatch.context() as short:  # only here: other parts may be as slow on a busy machine
        short.setattr("cluster.fleet.silence.SILENT_SECONDS", 6.0)
        os.kill(frozen, signal.SIGSTOP)
        train_until(algo, lambda: len(said) == 2)
    told = re.fullmatch(rf"{part} has not answered for (\d+) s; waiting", said[0])
    assert told is not None, said
    assert int(told[1]) >= 6
    assert said[1] == f"{part} answers again"
    updates = algo.stats.updates
    train_until(algo, lambda: algo.stats.updates > updates + 5)
    assert len(said) == 2


def test_learners_are_not_blamed_while_somebody_owes_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent learner is named only once no shard owes an answer, even if the learner has been silent for longer."""
    said: list[str] = []
    monkeypatch.setattr("cluster.fleet.silence.say", said.append)
    watch = SilenceWatch({})
    watch.stop()
    watch.actors = {"replay shard 0": None}
    owed = [SILENT_SECONDS - 1, SILENT_SECONDS + 1, 0.0, 0.0]
    monkeypatch.setattr(watch, "_seconds_without", lambda *_: owed.pop(0))
    watch.learning_since = time.monotonic() - SILENT_SECONDS - LOOK_SECONDS
    watch._look()
    assert not said
    watch._look()
    assert [line.split(" has ")[0] for line in said] == ["replay shard 0"]
    watch._look()
    assert said[1:] == [
        "replay shard 0 answers again",
        f"a learner has not answered for {said[2].split()[-3]} s; waiting",
    ]
    watch.learning_since = None
    watch._look()
    assert said[3:] == ["a learner answers again"]


def test_a_fleet_ends_with_a_learner_and_a_shard_that_are_frozen(algo: Quarterdeck) -> None:
    """Stopping a fleet ends its frozen processes. This test is the last one here, since it stops the shared fleet."""
    frozen = [process_named(algo, part) for part in ("a learner", "replay shard 0", "the weight store")]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    algo.stop()
    algo.stop = lambda: None  # nothing is left for the fixture
    alive = still_alive(psutil.Process(pid) for pid in frozen if psutil.pid_exists(pid))
    assert alive == []
