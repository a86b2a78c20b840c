"""Several learners: gradients averaged over processes, the same networks in each to the last bit, and a killed one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
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
        return path

    monkeypatch.setattr(FleetLoop, "save", save_and_soon_lose)
    ends = ["--steps=3000", "--minutes=60000", "--checkpoint-minutes=0.0001"]
    assert main(["train", "atari", *TINY_CATCH, "--fleet.learners=1", *ends, "--run-dir", str(run)]) == 0
    assert "a learner was lost; going on from" in capfd.readouterr().err
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
        fields = {
            name: torch.cat([getattr(part, name) for part in parts])
            for name in ("obs", "action", "reward", "discount", "next_obs", "priority")
        }
        alone.update(Batch(**fields, key=np.empty(0, np.int64), version=np.empty(0, np.int32)))
    for name, value in alone.weights().items():
        np.testing.assert_allclose(one["online"][name], value, rtol=2e-3, atol=2e-5)
    earned = 2.0 * (pair.limiter.inserted - 200)
    assert earned - 64 < pair.limiter.sampled <= earned, "C17: both learners' samples count"


def test_a_learner_without_data_follows_its_peer(pair: Quarterdeck) -> None:
    """Nobody waits for it, and they stay equal; when nobody has data, both stop at the same update."""

    def starve(learner: Any, everybody: bool) -> Any:
        class Dry:
            draws = 0

            def __init__(self, replay: Any) -> None:
                self.replay = replay

            def sample(self, batch_size: int) -> Any:
                self.draws += 1
                if self.draws > 2 + learner.learner_index():
                    raise ReplayEmpty("dry")
                return self.replay.sample(batch_size)

        full = learner.replay
        if everybody or learner.learner_index() == 0:
            learner.replay = Dry(full)
        done = learner.learn(6).updates
        learner.replay = full
        return done

    assert pair._each_learner(lambda learner: starve(learner, everybody=False)) == [6, 6]
    assert pair._each_learner(lambda learner: starve(learner, everybody=True)) == [3, 3]
    same_tree(*pair._each_learner(lambda learner: learner.core.state()))
