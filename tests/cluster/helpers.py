"""Small settings and helpers for tests of the fleet and of the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray
from numpy.typing import NDArray

from agents.acting.exploration import ExplorationSettings
from agents.acting.policy import QPolicy
from agents.dqn.learner import LearnerSettings
from agents.dqn.settings import Settings
from agents.replay.frames import from_blocks
from agents.replay.transitions import ReplaySettings
from agents.settings import EvaluationSettings, FleetSettings
from envs.base import EnvSettings
from tests.coded_env import NUM_ACTIONS
from tests.patience import PATIENCE as PATIENCE
from tests.patience import TIMEOUT as TIMEOUT

OWN = ("RAY_", "TUNE_", "REPORTER_")  # prefixes of the environment variables of the tests' own Ray
TINY: dict[str, str] = {
    "fleet.envs-per-runner": "2",
    "replay.capacity": "4000",
    "replay.learning-starts": "100",
    "replay.samples-per-insert": "2",
    "learner.batch-size": "16",
    "evaluation.protocol": "training",
    "evaluation.episodes": "6",
}
TINY_OWN = [  # for a user's own env and network
    *(f"--{name}={value}" for name, value in TINY.items()),
    "--learner.precision=fp32",
    "--learner.device=cpu",
]
ENDLESS_CARTPOLE = [
    "cartpole",
    *(f"--{name}={value}" for name, value in TINY.items()),
    "--minutes=60",
    "--score=1000",  # out of reach
    "--steps=9000000",
]
TINY_CATCH = ["--env=toy/catch", "--no-life-signal", *(f"--{name}={value}" for name, value in TINY.items())]


def catch_settings(**fleet: int) -> Settings:
    """Return settings for a short run on toy/catch: 2013 network, 3-step returns, final epsilon from the first step."""
    return Settings(
        env=EnvSettings(id="toy/catch"),
        exploration=ExplorationSettings(final=0.4, ladder=2.0, anneal_steps=1),
        replay=ReplaySettings(
            capacity=4_000,
            prioritized=True,
            initial_priority="actor",
            n_step=3,
            samples_per_insert=2.0,
            learning_starts=200,
        ),
        learner=LearnerSettings(batch_size=32, precision="fp32", device="cpu", target_period=20),
        fleet=FleetSettings(**{"envs_per_runner": 4, "chunk_steps": 8, **fleet}),
        evaluation=EvaluationSettings(protocol="training", episodes=6, every_steps=200, every_episodes=2),
    )


class StillPolicy(QPolicy):
    """A policy whose Q-values are zero for every action of a coded env."""

    def __init__(self, stack: int = 1) -> None:
        self.stack = stack

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        return np.zeros((len(obs), NUM_ACTIONS), np.float32)


def train_until(algo: Any, done: Callable[[], bool]) -> None:
    """Train an algorithm until a condition is true; fail after the timeout."""
    started = time.monotonic()
    while not done():
        algo.train()
        assert time.monotonic() - started < PATIENCE, f"it has not happened after {algo.stats}"


def wait_until(ask: Callable[[], Any]) -> Any:
    """Poll a function and return its first result that is not None; fail after the timeout."""
    started = time.monotonic()
    while (answer := ask()) is None:
        assert time.monotonic() - started < PATIENCE
        time.sleep(0.05)
    return answer


def still_alive(processes: Iterable[psutil.Process], patience: float = PATIENCE) -> list[psutil.Process]:
    """Return the processes alive after `patience` seconds; psutil's own wait can fail if one is reaped meanwhile."""
    left, started = list(processes), time.monotonic()
    while (left := list(filter(alive, left))) and time.monotonic() - started < patience:
        time.sleep(0.05)
    return left


def alive(process: psutil.Process) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it ended between the two calls
        return False


def same_tree(one: Any, other: Any) -> None:
    """Assert that two trees of arrays and values are equal bit for bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name, value in one.items():
            same_tree(value, other[name])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    else:
        assert one == other


def ball_and_paddle(blocks: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row [N] and column [N] of the ball in toy/catch's frames [N, P, D]; only the ball has the value 255."""
    cells = from_blocks(blocks, (84, 84))[:, ::7, ::7] == 255
    assert cells.any((1, 2)).all()
    place = cells.reshape(len(cells), 12 * 12).argmax(1)
    return place // 12, place % 12


def command(*arguments: str) -> list[str]:
    """Return the command line of a `cluster` command as a user types it."""
    return [sys.executable, "-m", "cluster", *arguments]


def in_terminal(theirs: int, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a `cluster` command in the pseudo-terminal `theirs`, with 80 columns and 24 lines."""
    return subprocess.Popen(
        command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**environment(), "COLUMNS": "80", "LINES": "24"},
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )


def environment() -> dict[str, str]:
    """Return the environment variables without those of the tests' own Ray."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN)}


def run_command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a `cluster` command to its end, in the repository or in `cwd`."""
    return run_there(command(*arguments), cwd)


def run_program(source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code to its end in a fresh interpreter, in the repository."""
    return run_there([sys.executable, "-c", source, *arguments])


def run_there(words: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end, in the repository or in `cwd`, without the variables of the tests' own Ray."""
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env=environment(),
        cwd=cwd or Path(__file__).parents[2],
    )


def tree(path: Path) -> dict[str, bytes]:
    """Return the content of every file under a directory, by relative path."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file."""
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def process_of(actor: Any) -> int:
    """Return the id of an actor's current process."""
    return int(ray.get(actor.__ray_call__.remote(lambda _: os.getpid()), timeout=PATIENCE))


def kill(actor: Any) -> None:
    """Kill an actor's process with SIGKILL."""
    os.kill(process_of(actor), signal.SIGKILL)


def raised(cause: Exception) -> ray.exceptions.RayTaskError:
    """Return the RayTaskError that Ray raises for an error in an actor's method."""
    return ray.exceptions.RayTaskError("method", "Traceback", cause, "ray::Actor", 1, "127.0.0.1")
