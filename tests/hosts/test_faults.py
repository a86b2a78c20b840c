"""Recovery from each kind of loss (docs/cluster.md), on hosts: killed processes, a lost machine, a lost head.

Tests print the recovery time (shown by `-rP` or on failure). The ball of toy/catch falls one row a step, so that the
checkpoint's replay shows rows that were written twice or joined to rows that they did not follow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cluster.helpers import TIMEOUT, ball_and_paddle, read_json, wait_until
from tests.cluster.test_deploy import ENV
from tests.hosts.hosts import Host, Lab
from tests.hosts.ray_hosts import RayHosts
from tests.hosts.training import Training, kill, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT)]
LEARNER = "ray::_WrappedExecutable"  # the title that RLlib gives to learner actors


class Cluster:
    """A head, two rollout hosts, a replay host, a learner host, and one training for all tests."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(folder)
        self.storage = folder / "runs"
        self.ray_hosts = RayHosts(self.lab, ENV)
        self.workers("")
        self.training = Training(self.ray_hosts, self.storage / "catch", "--steps=100000000")

    def workers(self, suffix: str) -> None:
        """Start hosts with just enough resources for the run and its evaluation, and one rollout host per runner."""
        start = self.ray_hosts.start_worker
        self.play = [start(f"play{index}{suffix}", rollout=1) for index in (1, 2)]
        self.store, self.learn = start(f"store{suffix}", replay=2), start(f"learn{suffix}", learner=1)
        self.ray_hosts.wait_for_nodes(5)

    def hosts(self) -> list[Host]:
        """Return all hosts with Ray."""
        return [*self.play, self.store, self.learn, self.ray_hosts.head]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start one cluster for all tests of this module, which run in order."""
    cluster = Cluster(tmp_path_factory.mktemp("lab"))
    yield cluster
    cluster.lab.close()


def check_replay(training: Training, *, cuts: int) -> None:
    """Assert that rows within episodes follow each other, and that at most `cuts` episodes of a lane end early."""
    shards = training.replay()
    assert len(shards) == 2
    for shard in shards:
        lanes = len(shard["written"])
        rows = len(shard["frames"]) // lanes
        for lane, written in enumerate(shard["written"].tolist()):
            slots = lane * rows + np.arange(max(0, written - rows), written) % rows
            ball, _ = ball_and_paddle(shard["frames"][slots])
            inside = ~shard["rows"]["first"][slots][1:]
            assert (ball[1:][inside] == ball[:-1][inside] + 1).all()
            assert int((ball[:-1][~inside] != 11).sum()) <= cuts


def test_every_kind_of_actor_lives_on_the_hosts_of_its_role(cluster: Cluster) -> None:
    """Each rollout host has one runner, shards and learner are on their hosts, and the head has no runner or shard."""
    cluster.training.goes_on()
    assert [len(host.processes("ray::Runner")) for host in cluster.play] == [1, 1]
    assert len(cluster.store.processes("ray::ShardActor")) == 2
    assert len(cluster.learn.processes(LEARNER)) == 1
    for host in (cluster.ray_hosts.head, cluster.learn):
        assert not host.processes("ray::Runner")
        assert not host.processes("ray::ShardActor")


@pytest.mark.parametrize("title", ["ray::Runner", "ray::ShardActor", "ray::Evaluator", "ray::WeightStore"])
def test_a_killed_actor_comes_back_and_training_goes_on(cluster: Cluster, title: str) -> None:
    before = cluster.training.goes_on()
    seconds = kill(cluster.hosts(), title)
    after = cluster.training.goes_on()
    print(f"{title}: back after {seconds:.1f} s, {after['updates'] - before['updates']:.0f} updates later")
    assert after["agent_steps"] > before["agent_steps"]


def test_a_killed_learner_goes_on_from_the_last_checkpoint(cluster: Cluster) -> None:
    wait_until(lambda: next((cluster.storage / "catch" / "checkpoints").glob("agent_steps-*/state.json"), None))
    before = cluster.training.goes_on()
    seconds = kill(cluster.hosts(), LEARNER)
    after = cluster.training.goes_on()
    lost = max(before["agent_steps"] - cluster.training.resumed_at(), 0)
    print(
        f"learner: back after {seconds:.1f} s, {lost:.0f} agent steps played again; now at {after['agent_steps']:.0f}"
    )
    assert "a learner was lost; resuming from" in cluster.training.log.read_text()


def test_half_a_minute_without_a_cable_costs_nothing_but_time(cluster: Cluster) -> None:
    """Training continues during a 30-second network cut of one runner's host, and afterwards with its runner alive."""
    cluster.training.goes_on()
    cluster.lab.cut(cluster.play[0])
    begin = time.monotonic()
    cluster.training.goes_on()
    time.sleep(max(30 - (time.monotonic() - begin), 0))
    cluster.lab.restore(cluster.play[0])
    cluster.training.goes_on()
    assert len(cluster.play[0].processes("ray::Runner")) == 1


def test_a_host_that_is_lost_for_good_stalls_nobody(cluster: Cluster) -> None:
    """Training continues with one runner, and the lost host's runner restarts on a host that joins later."""
    cluster.training.goes_on()
    cluster.play[1].lose()
    cluster.training.goes_on()
    cluster.play[1] = cluster.ray_hosts.start_worker("play3", rollout=1)
    begin = time.monotonic()
    wait_until(lambda: len(running([cluster.play[1]], "ray::Runner")) == 1 or None)
    print(f"host: the lost one's runner is on the new one after {time.monotonic() - begin:.0f} s")
    cluster.training.goes_on()


def test_a_lost_head_is_answered_by_the_same_command_with_resume(cluster: Cluster) -> None:
    """After the loss of all hosts, `--resume` on a new cluster continues, and replay is consistent after all losses."""
    reached = cluster.training.goes_on()
    saved = len(list((cluster.storage / "catch" / "checkpoints").iterdir()))
    assert saved >= 1
    cluster.ray_hosts.head.lose()
    begin = time.monotonic()
    for host in (*cluster.play, cluster.store, cluster.learn):
        host.lose()
    cluster.ray_hosts.start_head("head2")
    cluster.workers("b")
    cluster.training = Training(cluster.ray_hosts, cluster.storage / "catch", "--steps=100000000", "--resume")
    after = cluster.training.goes_on()
    print(f"head: {time.monotonic() - begin:.0f} s, from {reached['agent_steps']:.0f} to {after['agent_steps']:.0f}")
    cluster.training.end()
    check_replay(cluster.training, cuts=12)
    summary = read_json(cluster.storage / "catch" / "summary.json")
    assert summary["samples_per_insert"] == pytest.approx(2.0, rel=0.1)
    assert summary["agent_steps"] > 0
