"""A training of toy/catch on the hosts of a lab, observed through its run directory."""

from __future__ import annotations

import csv
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from tests.cluster.helpers import PATIENCE, TINY_CATCH, alive, wait_until
from tests.hosts.hosts import Host
from tests.hosts.ray_hosts import RayHosts
from training.storage import checkpoint

SETTINGS = [
    *TINY_CATCH,
    "--learner.device=cpu",
    "--fleet.roles",
    "--fleet.runners=2",
    "--fleet.shards=2",
    "--fleet.learners=1",
    "--evaluation.every-steps=500",
    "--evaluation.every-episodes=2",
    "--checkpoint-minutes=0.2",
]


class Training:
    """The command `train`, run on the head."""

    def __init__(self, ray_hosts: RayHosts, run_dir: Path, *more: str) -> None:
        self.run_dir, self.log = run_dir, ray_hosts.head.folder / "train.log"
        arguments = ["python", "-m", "cluster", "train", "atari", *SETTINGS, "--run-dir", str(run_dir), *more]
        env = {"RAY_ADDRESS": ray_hosts.address}
        self.command: subprocess.Popen[bytes] = ray_hosts.head.start(*arguments, log=self.log.name, env=env)
        self.head = ray_hosts.head

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the curve so far, one every five seconds."""
        assert self.command.poll() is None, self.log.read_text()
        path = self.run_dir / "curve.csv"
        if not path.exists():
            return []
        with path.open(newline="") as handle:
            return [
                {name: float(value) if value else None for name, value in row.items()} for row in csv.DictReader(handle)
            ]

    def goes_on(self, updates: int = 50) -> dict[str, Any]:
        """Wait until new rows of the curve show progress; return the last one."""
        seen = len(self.rows())

        def progress() -> dict[str, Any] | None:
            new = self.rows()[seen:]
            done = len(new) > 1 and new[-1]["updates"] > new[0]["updates"] + updates
            return new[-1] if done and new[-1]["agent_steps"] > new[0]["agent_steps"] else None

        found: dict[str, Any] = wait_until(progress)
        return found

    def resumed_at(self) -> int:
        """Return the agent steps of the checkpoint from which the run resumed after a lost learner."""
        said = next(line for line in self.log.read_text().splitlines() if "a learner was lost" in line)
        return int(said.rsplit("agent_steps-", 1)[1])

    def end(self) -> None:
        """Stop the command by SIGTERM, as at a job's end, and wait for its exit with status 0."""
        for process in self.head.processes("-m cluster train"):
            process.send_signal(signal.SIGTERM)
        assert self.command.wait(PATIENCE) == 0, self.log.read_text()

    def replay(self) -> list[dict[str, Any]]:
        """Return the replay shards of the newest checkpoint."""
        newest = checkpoint.latest(self.run_dir / "checkpoints")
        return [checkpoint.load(path) for path in sorted(newest.glob("replay-*"))]


def kill(hosts: list[Host], title: str) -> float:
    """Kill a process with that title (SIGKILL); return the seconds until as many run again, on any host."""
    before = wait_until(lambda: running(hosts, title) or None)
    before[0].send_signal(signal.SIGKILL)
    begin = time.monotonic()

    def back() -> bool | None:
        now = [process for process in running(hosts, title) if process.pid != before[0].pid]
        return True if len(now) >= len(before) else None

    wait_until(back)
    return time.monotonic() - begin


def running(hosts: list[Host], title: str) -> list[psutil.Process]:
    """Return the processes with that title on all hosts."""
    return [process for host in hosts for process in host.processes(title) if alive(process)]
