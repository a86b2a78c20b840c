"""A fleet ends even if its actors are frozen, sleep in an env or are not scheduled on any node."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray

from cluster.cli.main import main
from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from cluster.fleet.loop import FleetLoop
from tests.cluster.helpers import PATIENCE, TIMEOUT, TINY_CATCH, catch_settings, process_of, still_alive, train_until
from tests.cluster.own_envs import SleepingRunner
from tests.cluster.records import checked_summary, saved, scalars

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]


def small(runners: int = 2) -> QuarterdeckConfig:
    """Return the config of a small fleet with short turns."""
    config = QuarterdeckConfig().from_settings(catch_settings(runners=runners))
    config.reporting(min_time_s_per_iteration=0.1)
    return config


def processes(algo: Quarterdeck) -> list[psutil.Process]:
    """Return the processes of the runners, in order."""
    return [psutil.Process(process_of(actor)) for actor in algo.env_runner_group._worker_manager.actors().values()]


def test_a_runner_that_never_found_a_place(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The tests' cluster has one rollout slot: the unscheduled runner delays neither the training nor its end."""
    run = tmp_path / "run"
    fleet = ["--fleet.roles", "--fleet.runners", "2", "--steps", "400", "--run-dir", str(run)]
    assert main(["train", "atari", *TINY_CATCH, *fleet]) == 0
    assert checked_summary(run, episodes=6)["agent_steps"] >= 400
    said = capfd.readouterr().err
    assert "waiting for 2 rollout slots (the nodes offer 1)" in said
    assert {value for _, value in scalars(run)["fleet/runners_alive"]} == {1.0}, "the one that has a place"
    assert "NoneType: None" not in said


def test_a_stop_with_a_runner_frozen_and_one_without_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """After SIGTERM, as by `quarterdeck stop`, the run is saved, and the command and the frozen runner end."""
    run, step, stopped = tmp_path / "run", FleetLoop.step, list[psutil.Process]()

    def freeze_and_stop(self: FleetLoop) -> None:
        step(self)
        if self.stats.updates > 5 and not stopped:
            placed = next(iter(self.algo.runners.responsive))
            stopped.append(psutil.Process(process_of(self.algo.runners.manager.actors()[placed])))
            stopped[0].send_signal(signal.SIGSTOP)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(FleetLoop, "step", freeze_and_stop)
    fleet = ["--fleet.roles", "--fleet.runners", "2", "--steps", "9000000", "--run-dir", str(run)]
    assert main(["train", "atari", *TINY_CATCH, *fleet]) == 0
    assert f"saved; resume with: quarterdeck train atari --run-dir {run} --resume" in capfd.readouterr().out
    assert saved(run)["updates"] > 5
    assert still_alive(stopped) == []


def test_runners_close_their_environments(tmp_path: Path) -> None:
    """Responsive runners close their envs before they are killed."""

    def leave_a_trace(runner: Any) -> None:
        close = runner.env.close

        def closed() -> None:
            close()
            (tmp_path / str(runner.number)).touch()

        runner.env.close = closed

    algo = small().build_algo()
    try:
        actors = algo.runners.manager.actors().values()
        ray.get([actor.__ray_call__.remote(leave_a_trace) for actor in actors], timeout=PATIENCE)
        assert not list(tmp_path.iterdir())
    finally:
        algo.stop()
    assert {file.name for file in tmp_path.iterdir()} == {"1", "2"}


def test_a_frozen_runner() -> None:
    algo = small().build_algo()
    runners = processes(algo)
    runners[0].send_signal(signal.SIGSTOP)
    try:
        train_until(algo, lambda: algo.stats.updates > 5)
    finally:
        algo.stop()
    alive = still_alive(runners)
    assert alive == []


def test_a_runner_asleep_in_its_env() -> None:
    config = small(runners=1)
    config.runner_cls = SleepingRunner
    algo = config.build_algo()
    runners = processes(algo)
    train_until(algo, lambda: algo.runners.waiting() == 2)
    algo.stop()
    alive = still_alive(runners)
    assert alive == []
