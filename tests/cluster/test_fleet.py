"""Two runners and a learner: they train together, and outlive each other. Real processes are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from agents.acting.exploration import final_epsilons
from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from cluster.fleet.inserts import SHARD_QUEUE
from cluster.fleet.weights import WeightStore
from tests.cluster.helpers import (
    PATIENCE,
    TIMEOUT,
    ball_and_paddle,
    catch_settings,
    kill,
    process_of,
    train_until,
    wait_until,
)

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture(scope="module")
def fleet(ray_cluster: None) -> Iterator[Quarterdeck]:
    """Two runners, replay in the learner."""
    config = QuarterdeckConfig().from_settings(catch_settings(runners=2, chunk_steps=7))
    algo = config.reporting(min_time_s_per_iteration=0.1).build_algo()
    yield algo
    algo.stop()


def pids(algo: Quarterdeck) -> dict[int, int]:
    """Process of every healthy runner, by its number from 1."""
    runners = algo.env_runner_group.foreach_env_runner(
        lambda runner: (runner.number, os.getpid()), local_env_runner=False
    )
    return dict(runners)


def rows(algo: Quarterdeck) -> list[dict[str, Any]]:
    """What every lane holds, in the order in which it happened."""
    (shard,) = algo._each_learner(lambda learner: learner.own_shard())
    lanes = []
    for lane, written in enumerate(shard.written):
        slots = lane * shard.rows + np.arange(max(0, written - shard.rows), written) % shard.rows
        ball_row, _ = ball_and_paddle(shard.frames.numpy()[slots])
        columns = {name: getattr(shard, name)[slots] for name in ("first", "terminal", "version", "reward")}
        lanes.append({"ball_row": ball_row, "written": int(written), **columns})
    return lanes


def cuts(lane: dict[str, Any]) -> int:
    """Check a lane row by row; returns how many of its episodes were cut off before their end.

    The ball falls one row a step, and lands in row 11: any other sequence would join what never followed.
    """
    ball, first = lane["ball_row"], lane["first"]
    inside = ~first[1:]
    assert (ball[1:][inside] == ball[:-1][inside] + 1).all()
    assert (ball[first] == 0).all()
    assert (lane["terminal"] == (ball == 10)).all()
    assert (lane["reward"][ball != 10] == 0).all()
    return int((ball[:-1][first[1:]] != 11).sum())


def test_a_fleet_trains(fleet: Quarterdeck) -> None:
    """C17 and C19 in the fleet: every insert earns its samples, every row and chunk says which weights acted."""
    train_until(fleet, lambda: fleet.stats.updates > 40 and all(lane["written"] > 50 for lane in rows(fleet)))
    result = fleet.train()
    assert result["env_runners"]["num_env_steps_sampled_lifetime"] == fleet.stats.agent_steps
    earned = 2.0 * (fleet.limiter.inserted - 200)
    assert earned - 32 < fleet.limiter.sampled <= earned
    assert sum(cuts(lane) for lane in rows(fleet)) == 0
    lags = np.array(fleet.stats.means["acting/policy_lag_in_updates"])
    assert (lags >= 0).all()
    assert lags.min() < 20
    versions = np.concatenate([lane["version"] for lane in rows(fleet)])
    assert versions.min() == 0 < versions.max() <= fleet.stats.updates
    assert fleet.stats.means["replay/age_in_updates"]
    assert set(pids(fleet)) == {1, 2}
    assert min(fleet.stats.means["wire/bytes_per_step"]) >= 84 * 84, "within a host no frame is packed"


def test_c18_a_killed_runner_comes_back_and_training_goes_on(fleet: Quarterdeck) -> None:
    """C18 and C27: its lanes keep their epsilons, and none of its rows joins two episodes."""
    train_until(fleet, lambda: all(lane["written"] > 20 for lane in rows(fleet)))
    before, steps, killed = rows(fleet), fleet.stats.agent_steps, pids(fleet)[1]
    os.kill(killed, signal.SIGKILL)
    train_until(fleet, lambda: rows(fleet)[0]["written"] >= before[0]["written"] + 4 * 7)
    assert pids(fleet)[1] != killed
    assert fleet.env_runner_group.num_remote_worker_restarts() == 1, "what TensorBoard shows of it"
    assert fleet.stats.agent_steps > steps
    after = rows(fleet)
    assert all(cuts(lane) <= 1 for lane in after[:4])
    assert sum(cuts(lane) for lane in after[4:]) == 0
    fleet.stats.recent.clear()
    train_until(fleet, lambda: {game.lane for game in fleet.stats.recent} == set(range(8)))
    ladder = final_epsilons(fleet.settings.exploration, 8)
    assert [game.epsilon for game in fleet.stats.recent] == [ladder[game.lane] for game in fleet.stats.recent]
    assert len(set(ladder)) == 8
    assert fleet.limiter.sampled <= 2.0 * (fleet.limiter.inserted - 200)


def test_weights_are_pulled_by_version() -> None:
    board = WeightStore()
    assert board.other_than(-1) is None
    board.publish(5, ["five"])
    newest = board.other_than(-1)
    assert newest is not None
    assert (newest.version, newest.ref) == (5, ["five"])
    assert board.other_than(5) is None
    board.publish(3, ["a restored run"])
    newest = board.other_than(5)
    assert newest is not None
    assert newest.version == 3


def test_the_board_s_death_is_survived(fleet: Quarterdeck) -> None:
    kill(fleet.weight_store)
    steps, updates = fleet.stats.agent_steps, fleet.stats.updates
    train_until(fleet, lambda: fleet.stats.agent_steps > steps + 500 and fleet.stats.updates > updates + 20)
    newest = wait_until(lambda: ray.get(fleet.weight_store.other_than.remote(-1), timeout=PATIENCE))
    assert newest.version > updates
    assert sum(cuts(lane) for lane in rows(fleet)[4:]) == 0


def test_a_fleet_with_replay_actors(tmp_path: Path) -> None:
    """C17 and C27 with shards: trains at the ratio, saves and goes back, loses one shard, then all, and goes on."""
    config = QuarterdeckConfig().from_settings(catch_settings(runners=2, shards=2))
    algo = config.reporting(min_time_s_per_iteration=0.1).build_algo()
    try:
        algo.limiter.learning_starts = 2**60
        train_until(algo, lambda: min(masses_of(algo)) > 20)
        assert not any(mass.is_integer() for mass in masses_of(algo)), "unlearned rows weigh what their runner said"
        algo.limiter.learning_starts = 200
        train_until(algo, lambda: algo.stats.updates > 20)
        earned = 2.0 * (algo.limiter.inserted - 200)
        assert earned - 32 < algo.limiter.sampled <= earned
        path = algo.save_to_path(tmp_path / "saved")
        folders = {folder.name for folder in (tmp_path / "saved" / "quarterdeck").iterdir() if folder.is_dir()}
        assert folders == {"replay-0", "replay-1"}
        saved, masses = algo.get_state()["stats"], masses_of(algo)
        train_until(algo, lambda: algo.stats.updates > 30)
        algo.restore_from_path(path)
        assert algo.get_state()["stats"] == saved
        assert masses_of(algo) == pytest.approx(masses)
        for doomed in ([0], [0, 1]):
            updates, steps = algo.stats.updates, algo.stats.agent_steps
            for index in doomed:
                kill(algo.shards[index])
            train_until(algo, lambda: algo.stats.updates > updates + 20 and algo.stats.agent_steps > steps + 100)  # noqa: B023
            train_until(algo, lambda: min(masses_of(algo)) > 0)
        assert algo.limiter.sampled <= 2.0 * (algo.limiter.inserted - 200)
    finally:
        algo.stop()


def masses_of(algo: Quarterdeck) -> list[float]:
    """Total priority of every shard; 0 of one that is on its way back."""
    masses = []
    for shard in algo.shards:
        try:
            masses.append(float(ray.get(shard.mass.remote(), timeout=PATIENCE)))
        except ray.exceptions.RayActorError:
            masses.append(0.0)
    return masses


def test_a_shard_that_takes_nothing_in_stops_the_runners(ray_cluster: None) -> None:
    """Queues are bounded: a stopped process holds a handful of chunks up, not the memory of the cluster."""
    config = QuarterdeckConfig().from_settings(catch_settings(runners=2, shards=1))
    algo = config.reporting(min_time_s_per_iteration=0.1).build_algo()
    try:
        algo.limiter.learning_starts = 2**60  # nobody learns, and so the ratio holds nobody back
        train_until(algo, lambda: algo.stats.agent_steps > 200)
        shard = process_of(algo.shards[0])
        os.kill(shard, signal.SIGSTOP)
        train_until(algo, lambda: len(algo.inserts.adding) > SHARD_QUEUE)
        for _ in range(20):
            algo.train()
        assert len(algo.inserts.adding) <= SHARD_QUEUE + 2 * 2 + 1, "two requests of each runner were on their way"
        steps = algo.stats.agent_steps
        os.kill(shard, signal.SIGCONT)
        train_until(algo, lambda: algo.stats.agent_steps > steps + 500)
    finally:
        algo.stop()
