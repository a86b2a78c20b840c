"""Measure the training throughput of a learner and its replay alone, in samples per second; both on the GPU, if any.

    python -m benchmarks.learner                                        pong, rainbow, apex, as they stand
    python -m benchmarks.learner --presets apex --kinds dqn2015 impala --batch-sizes 512 4096 --device cuda

Includes sampling, the target network's pass, updates and priorities, as in training; no emulator, no Ray. Frames are
noise, so nothing is learned. One JSON line each, with the median of `--rounds`. `times_ape_x` is relative to Horgan et
al. (2018), who trained on 9,700 samples per second with one GPU (section 4.1).
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete

from agents.dqn.learner import Learner
from agents.dqn.parts import make_learner, make_replay
from agents.dqn.presets import PRESETS
from agents.dqn.settings import Settings
from agents.replay.frames import blocks_shape
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Chunk
from benchmarks.speed import say
from envs import EnvSpec
from training.process import keep_freed_memory
from training.settings import changed
from training.storage.provenance import hardware

APE_X = 9_700.0  # samples a second
LANES, CHUNK, EPISODE = 32, 16, 200  # lanes; rows of each in a chunk, and in an episode
BREAKOUT = EnvSpec((84, 84), np.dtype(np.uint8), Discrete(4))


def filled(settings: Settings, device: str) -> ReplayShard:
    """Return a replay shard filled with noise."""
    replay, rng = make_replay(settings, BREAKOUT, device=device), np.random.default_rng(0)
    for start in range(0, settings.replay.capacity // LANES + CHUNK, CHUNK):
        frame = rng.integers(256, size=(CHUNK, LANES, *blocks_shape((84, 84))), dtype=np.uint8)
        action = rng.integers(BREAKOUT.num_actions, size=(CHUNK, LANES)).astype(np.uint16)
        reward = rng.integers(-1, 2, size=(CHUNK, LANES)).astype(np.float32)
        place = np.arange(start, start + CHUNK)[:, None].repeat(LANES, axis=1) % EPISODE
        replay.add(Chunk(frame, action, reward, place == EPISODE - 1, place == 0, 0, 0, start))
    return replay


def rate(learner: Learner, replay: ReplayShard, seconds: float) -> float:
    """Return samples per second over whole calls of `train`, which synchronise with the device at their end."""
    begin, updates, done = time.perf_counter(), 32, 0
    while (passed := time.perf_counter() - begin) < seconds:
        learner.train(replay, updates)
        done += updates
    return done * learner.settings.batch_size / passed


def measured(settings: Settings, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the median rate of `rounds` rounds, after a warm-up round."""
    learner = make_learner(settings, BREAKOUT)
    replay = filled(settings, learner.device)
    rates = [rate(learner, replay, seconds) for _ in range(rounds + 1)][1:]
    middle = statistics.median(rates)
    return {
        "batch_size": learner.settings.batch_size,
        "precision": learner.settings.precision,
        "device": learner.device,
        "samples_per_second": middle,
        "least": min(rates),
        "most": max(rates),
        "times_ape_x": middle / APE_X,
    }


def main() -> None:
    """Print a line for every preset, network and batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["pong", "rainbow", "apex"], choices=PRESETS)
    parser.add_argument("--kinds", nargs="+", default=[""], help="networks in place of the preset's")
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[0], help="in place of the preset's")
    parser.add_argument("--capacity", type=int, default=50_000, help="rows of replay")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    for preset, kind, batch_size in itertools.product(asked.presets, asked.kinds, asked.batch_sizes):
        own = {"network.kind": kind} if kind else {}
        own |= {"learner.batch_size": batch_size} if batch_size else {}
        lanes = {"fleet.runners": 1, "fleet.envs_per_runner": LANES, "fleet.shards": 0}
        small = {"replay.capacity": asked.capacity, "replay.learning_starts": 0, "learner.device": asked.device}
        settings = changed(PRESETS[preset](), {**own, **lanes, **small})
        found = measured(settings, asked.seconds, asked.rounds)
        say("learner", preset=preset, kind=settings.network.kind, **found, **hardware())


if __name__ == "__main__":
    main()
