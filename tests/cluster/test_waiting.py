"""A fleet waits for its nodes without a time limit and prints what is missing; it starts a Ray of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from ray.rllib.core.learner.learner_group import RLlibBackendExecutor

from agents.dqn.presets import catch
from cluster.fleet.algorithm import QuarterdeckConfig
from cluster.fleet.waiting import waiting_for_nodes
from tests.cluster.helpers import (
    PATIENCE,
    TIMEOUT,
    TINY_CATCH,
    catch_settings,
    command,
    environment,
    read_json,
    wait_until,
)

ROOT = Path(__file__).parents[2]
WAITS = """
import json, ray, sys
from cluster.fleet import waiting
from cluster.cli.main import main
waiting.EVERY = 0.5
ray.init(num_cpus=4, resources={"rollout": 1}, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
print([main(words) for words in json.loads(sys.argv[1])])
"""
pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT)]


def own_ray() -> dict[str, str]:
    """Return the environment of a script that starts a small Ray of its own."""
    return {**environment(), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}


def test_slots_that_are_missing_are_named_for_as_long_as_they_are_waited_for(tmp_path: Path) -> None:
    """Missing slots are named repeatedly while waiting and once more after Ctrl-C, for shards and then for learners."""
    fleet = ["train", "atari", *TINY_CATCH, "--fleet.roles", "--fleet.runners=1"]
    roles = {"shards": "replay", "learners": "learner"}
    commands = [[*fleet, f"--fleet.{role}=1", f"--run-dir={tmp_path / role}"] for role in roles]
    training = subprocess.Popen(
        [sys.executable, "-c", WAITS, json.dumps(commands)],
        env=own_ray(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert training.stderr is not None
    with training:
        try:
            lines = iter(training.stderr.readline, "")
            for slots in roles.values():
                told = f"quarterdeck: still waiting for 1 {slots} slots (the nodes offer 0)\n"
                assert [next(line for line in lines if "still" in line) for _ in range(3)] == [told] * 3
                training.send_signal(signal.SIGINT)
                said = [next(line for line in lines if line != told)]
                while said[-1] != "quarterdeck: interrupted\n":
                    said.append(next(line for line in lines if line != told))
                assert f"quarterdeck: gave up waiting for 1 {slots} slots (the nodes offer 0)\n" in said
            assert list(lines) == []
            assert training.stdout is not None
            assert training.stdout.read() == "[130, 130]\n"
        finally:
            training.kill()


@pytest.fixture
def somebody_elses_ray() -> Iterator[str]:
    """Start a head with `ray start` in a temporary directory where Ray looks for a cluster; return the directory."""
    with tempfile.TemporaryDirectory(prefix="qd-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        arguments = ["start", "--head", "--block", "--port=0", "--num-cpus=1", "--include-dashboard=false"]
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", *arguments, f"--temp-dir={folder}/ray"],
            env={**own_ray(), "RAY_TMPDIR": folder},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until(
                lambda: (Path(folder) / "ray" / "ray_current_cluster").exists() or head.poll() is not None or None
            )
            assert head.poll() is None
            yield folder
        finally:
            children = psutil.Process(head.pid).children(recursive=True)
            os.killpg(head.pid, signal.SIGKILL)
            head.wait(timeout=PATIENCE)
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()  # children would otherwise look for their head for a minute


def test_a_cluster_on_this_machine_is_left_alone(somebody_elses_ray: str, tmp_path: Path) -> None:
    """Without RAY_ADDRESS a training starts a Ray of its own beside a running cluster that is too small for it."""
    run = tmp_path / "run"
    done = subprocess.run(
        command("train", "atari", *TINY_CATCH, "--steps", "200", "--run-dir", str(run)),
        env={**environment(), "RAY_TMPDIR": somebody_elses_ray},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert read_json(run / "summary.json")["agent_steps"] >= 200


@pytest.mark.usefixtures("ray_cluster")
def test_a_learner_on_the_cores_has_its_threads_beside_an_idle_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner on the CPU uses its configured threads, even if the machine has a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # but the settings use the CPU
    before = torch.get_num_threads()
    settings = catch_settings(runners=1, learner_threads=3)
    algo = QuarterdeckConfig().from_settings(settings).env_runners(num_env_runners=0).build_algo()
    try:
        assert torch.get_num_threads() == 3
    finally:
        algo.stop()
        torch.set_num_threads(before)


def test_waiting_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting sets no environment variables; RLlib's learners need none, since they request no placement group."""
    monkeypatch.delenv("TRAIN_PLACEMENT_GROUP_TIMEOUT_S", raising=False)
    create: Any = RLlibBackendExecutor._create_placement_group
    assert create(None) is None, "it asks Ray for nothing"
    before = dict(os.environ)
    with waiting_for_nodes(catch()):
        assert dict(os.environ) == before
