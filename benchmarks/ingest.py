"""Measure the throughput of inserts into one replay shard, or the learner's own replay, with recorded games.

    python -m benchmarks.ingest                   as fast as a few runners can send
    python -m benchmarks.ingest --runners 64 --rate 200    64 runners that send 200 agent steps a second each

Runners send recorded chunks of Pong at a set rate instead of playing, so that the rest of the path is measured:
messages, driver, decompression, insertion. At most eight processes stand in for all runners, at the same total rate,
since 64 processes would take 22 GB. Nothing is trained. Each line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from typing import Any

import numpy as np
import psutil
import ray

from agents.acting.rollout import ChunkStats
from agents.dqn.presets import pong
from agents.dqn.settings import Settings
from agents.replay.frames import to_blocks
from agents.replay.transitions import Chunk
from agents.settings import FleetSettings
from benchmarks.speed import say
from cluster.connect import start_ray
from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from cluster.fleet.compression import pack
from cluster.fleet.runner import Runner
from envs import make_env
from training.storage.provenance import hardware

ENVS, TIME = 32, 16
PROCESSES = 8
RATE, FAR = "INGEST_RATE", "INGEST_FAR"  # environment variables of a process


class Recorded(Runner):
    """Sends the same chunk repeatedly, at `rate` agent steps per second."""

    def make_env(self) -> None:
        """Create an env, for its spaces, and a chunk of its frames."""
        self.env = make_env(self.settings.env, 1)
        self.rate, self.far = float(os.environ[RATE]), os.environ[FAR] == "1"
        frames = [to_blocks(self.env.reset(self.number).frame)]
        frames += [to_blocks(self.env.step(np.array([t % 6])).frame).copy() for t in range(TIME - 1)]
        flags = np.zeros((TIME, ENVS), np.bool_)
        row = flags.astype(np.float32)
        lane, picture = (self.number - 1) * ENVS, np.repeat(np.stack(frames), ENVS, axis=1)
        self.chunk, self.sent = Chunk(picture, flags.astype(np.uint8), row, flags, flags, lane, 0, 0), 0
        self.due = time.perf_counter()

    def make_policy(self) -> None:
        """Do nothing: no actions are needed."""

    def sample(self, *, homes: list[str], **_: Any) -> dict[str, Any]:
        """Return the next chunk when it is due."""
        self.due = max(self.due + TIME * ENVS / self.rate, time.perf_counter() - 1.0)
        time.sleep(max(self.due - time.perf_counter(), 0))
        message, sent = pack(self.chunk._replace(row=self.sent), far=self.far)
        self.sent += TIME
        chunk_stats = ChunkStats(TIME * ENVS, 4 * TIME * ENVS, [], 0.0, 0.0, 0.0)
        runner = self.number - 1
        return {"chunk": ray.put(message), "sent": sent, "chunk_stats": chunk_stats, "runner": runner, "version": 0}


def settings_for(runners: int, shards: int, *, prioritized: bool) -> Settings:
    """Return settings with a capacity of 100,000 frames and without evaluations; `measure` disables learning."""
    preset = pong()
    return dataclasses.replace(
        preset,
        replay=dataclasses.replace(preset.replay, capacity=100_000, learning_starts=100_000, prioritized=prioritized),
        evaluation=dataclasses.replace(preset.evaluation, every_steps=0),
        fleet=FleetSettings(runners=runners, envs_per_runner=ENVS, chunk_steps=TIME, shards=shards),
    )


def measure(runners: int, rate: float, shards: int, *, far: bool, seconds: float, prioritized: bool) -> dict[str, Any]:
    """Return agent steps inserted per second, and per core second of the replay's process, and the queue's length."""
    processes = min(PROCESSES, runners)
    settings = settings_for(processes, shards, prioritized=prioritized)
    os.environ |= {RATE: str(rate * runners / processes), FAR: str(int(far))}  # Ray's processes inherit them
    start_ray(processes + shards + 1)
    config = QuarterdeckConfig().from_settings(settings)
    config.runner_cls = Recorded
    algo: Quarterdeck = config.build_algo()
    algo.limiter.learning_starts = 2**60
    try:
        while len(algo.stats.means.get("wire/bytes_per_step", ())) < 20 * processes:
            algo.train()
        algo.stats.read()
        keeper = ray.get(algo.shards[0].__ray_call__.remote(lambda _: os.getpid())) if shards else os.getpid()
        process, steps = psutil.Process(keeper), algo.stats.agent_steps
        used, begin = sum(process.cpu_times()[:2]), time.perf_counter()
        while time.perf_counter() - begin < seconds:
            algo.train()
        passed = time.perf_counter() - begin
        used, steps = sum(process.cpu_times()[:2]) - used, algo.stats.agent_steps - steps
        queue = algo.stats.means.get("replay/queue_in_chunks", [0.0] * 3)  # the learner's own replay has none
        figures = algo.stats.read()
    finally:
        algo.stop()
        ray.shutdown()
    return {
        "replay": "one shard" if shards else "in the learner, which is the driver",
        "prioritized": prioritized,
        "runners": runners,
        "asked_per_second": runners * rate,
        "agent_steps_per_second": steps / passed,
        "steps_per_core_second": steps / used,
        "queue_first_and_last_third": [float(np.mean(part)) for part in np.array_split(queue, 3)[::2]],
        "longest_queue": max(queue),
        "bytes_per_step": figures["wire/bytes_per_step"],
        "seconds": passed,
    }


def main() -> None:
    """Print one JSON line per placement of replay."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runners", type=int, default=4)
    options.add_argument("--rate", type=float, default=1e9, help="agent steps a second of each runner")
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--near", action="store_true", help="send frames as they are, as within one host")
    options.add_argument("--prioritized", action="store_true", help="replay that keeps a tree of priorities")
    asked = options.parse_args()
    for shards in (1, 0):
        kind = {"far": not asked.near, "prioritized": asked.prioritized}
        figures = measure(asked.runners, asked.rate, shards, seconds=asked.seconds, **kind)
        say("ingest", **figures, packed=not asked.near, **hardware())


if __name__ == "__main__":
    main()
