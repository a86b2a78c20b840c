"""Several learners: gradients averaged over processes, the same networks in each to the last bit, and a killed one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest
import torch

from agents.dqn.learner import Learner
from agents.replay.transitions import Batch, ReplayEmpty
from cluster.cli.main import main
from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from cluster.fleet.loop import FleetLoop
from tests.cluster.helpers import TIMEOUT, TINY_CATCH, catch_settings, read_json, same_tree, train_until
from training.session import Session

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT)]


@pytest.mark.usefixtures("ray_cluster")
def test_a_killed_learner_costs_what_came_after_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The command goes on by itself, and the run ends as if nothing had happened."""
    run, save, killers = tmp_path / "run", FleetLoop.save, list[Timer]()

    def save_and_soon_lose(self: FleetLoop, *given: Any) -> Path:
        path = save(self, *given)
        if not killers:
            (learner,) = self.algo._each_learner(lambda _: os.getpid())
            killers.append(Timer(0.1, os.kill, (learner, signal.SIGKILL)))
            killers[0].start()
            monkeypatch.setattr(Session, "_save_is_due", lambda _: False)  # to save after every turn takes long
        return path

    monkeypatch.setattr(FleetLoop, "save", save_and_soon_lose)
    ends = ["--steps=3000", "--minutes=60000", "--checkpoint-minutes=0.0001"]
    assert main(["train", "atari", *TINY_CATCH, "--fleet.learners=1", *ends, "--run-dir", str(run)]) == 0
    assert "a learner was lost; resuming from" in capfd.readouterr().err
    summary = read_json(run / "summary.json")
    assert summary["agent_steps"] >= 3000
    assert summary["samples_per_insert"] == pytest.approx(2.0, rel=0.1)


@pytest.fixture(scope="module")
def pair(ray_cluster: None) -> Iterator[Quarterdeck]:
    """Two learners that share one shard, before their first update."""
    settings = catch_settings(runners=1, shards=1, learners=2)
    config = QuarterdeckConfig().from_settings(settings).training(settings={"replay": {"prioritized": False}})
    algo = config.reporting(min_time_s_per_iteration=0.1).build_algo()
    yield algo
    algo.stop()


def recorded(learner: Any) -> None:
    """Let a learner remember the batches that it draws."""

    class Recording:
        def __init__(self, replay: Any) -> None:
            self.replay, self.batches = replay, []  # type: ignore[var-annotated]

        def sample(self, batch_size: int) -> Any:
            self.batches.append(self.replay.sample(batch_size))
            return self.batches[-1]

    learner.replay = Recording(learner.replay)


def learn_as_one(alone: Learner, parts: list[Batch]) -> None:
    """One update from batches that were drawn uniformly, as from one."""
    fields = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("obs", "action", "reward", "discount", "next_obs", "priority")
    }
    alone.update(Batch(**fields, key=np.empty(0, np.int64), version=np.empty(0, np.int32)))


def assert_near(state: dict[str, Any], alone: Learner) -> None:
    """The weights of several learners are those of the one within float tolerance."""
    for name, value in alone.weights().items():
        np.testing.assert_allclose(state["online"][name], value, rtol=2e-3, atol=2e-5)


def test_two_learners_are_one_learner_with_their_summed_batch(pair: Quarterdeck) -> None:
    """Equal to the last bit among themselves; within float tolerance of one that had all their transitions."""
    s = pair.settings
    alone = Learner(s.learner, s.network, pair.spec, seed=s.seed)
    same_tree(pair._each_learner(lambda learner: learner.core.weights())[0], alone.weights())
    pair._each_learner(recorded)
    train_until(pair, lambda: pair.stats.updates >= 45)
    one, other = pair._each_learner(lambda learner: learner.core.state())
    same_tree(one, other)
    batches = pair._each_learner(lambda learner: learner.replay.batches)
    assert len(batches[0]) == len(batches[1]) == one["updates"] == pair.stats.updates
    assert not torch.equal(batches[0][0].obs, batches[1][0].obs), "each draws batches of its own"
    for parts in zip(*batches, strict=True):
        learn_as_one(alone, list(parts))
    assert_near(one, alone)
    earned = 2.0 * (pair.limiter.inserted - 200)
    assert earned - 64 < pair.limiter.sampled <= earned, "C17: both learners' samples count"


def starved(learner: Any, draws: list[int]) -> tuple[int, list[Batch], float]:
    """Six updates from a replay that runs dry after `draws` of each learner -> done, their batches, weight after."""

    class Dry:
        def __init__(self, replay: Any, draws: int) -> None:
            self.replay, self.draws, self.batches = replay, draws, list[Batch]()

        def sample(self, batch_size: int) -> Any:
            if len(self.batches) == self.draws:
                raise ReplayEmpty("dry")
            self.batches.append(self.replay.sample(batch_size))
            return self.batches[-1]

    full = learner.replay
    learner.replay = dry = Dry(full, draws[learner.learner_index()])
    done = learner.learn(6).updates
    learner.replay = full
    return done, dry.batches, learner.weight


def test_a_learner_without_data_follows_its_peer(pair: Quarterdeck) -> None:
    """Nobody waits for it, the other's gradients count in full, and they stay equal.

    When nobody has data, both stop at the same update; who has some again counts again.
    """
    train_until(pair, lambda: pair.stats.updates > 0)  # there is something to draw
    s = pair.settings
    alone = Learner(s.learner, s.network, pair.spec, seed=s.seed)
    alone.load_state(pair._each_learner(lambda learner: learner.core.state())[0])
    for draws, done in (([2, 6], 6), ([2, 3], 3)):
        found = pair._each_learner(lambda learner, draws=draws: starved(learner, draws))
        assert [(updates, weight) for updates, _, weight in found] == [(done, 1.0)] * 2
        (_, first, _), (_, second, _) = found
        assert (len(first), len(second)) == tuple(draws)
        for parts in zip_longest(first, second):
            learn_as_one(alone, [part for part in parts if part is not None])
        one, other = pair._each_learner(lambda learner: learner.core.state())
        same_tree(one, other)
        assert_near(one, alone)
