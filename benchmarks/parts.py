"""Measure parts of the design alone: frames on the wire, replay insertion, first convolution with and without blocks.

    python -m benchmarks.parts          a minute on one core; each line is JSON

Bytes are deterministic: random play with seed 0. Milliseconds depend on the machine: compare their ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from gymnasium.spaces import Discrete
from torch import nn

from agents.dqn.parts import make_replay
from agents.dqn.presets import pong
from agents.networks.layers import BlockConv
from agents.replay.frames import blocks_shape, to_blocks
from agents.replay.transitions import Chunk
from benchmarks.speed import say
from cluster.fleet.compression import pack
from envs import EnvSettings, EnvSpec, make_env
from training.settings import changed
from training.storage.provenance import hardware

GAMES = ("pong", "breakout", "seaquest")
TIME, ENVS, CHUNKS = 16, 32, 50
SAMPLES, TURNS, ROUNDS = 256, 20, 5


def bytes_per_step(game: str) -> float:
    """Return the bytes per agent step sent between hosts, over 25,600 steps of random play."""
    env, rng = make_env(EnvSettings(id=game), ENVS), np.random.default_rng(0)
    flags, sent, step = np.zeros((TIME, ENVS), np.bool_), 0, env.reset(0)
    for _ in range(CHUNKS):
        frames = []
        for _ in range(TIME):
            frames.append(to_blocks(step.frame).copy())
            step = env.step(rng.integers(env.spec.num_actions, size=ENVS))
        row = flags.astype(np.float32)
        sent += pack(Chunk(np.stack(frames), flags.astype(np.uint8), row, flags, flags, 0, 0, 0), far=True)[1].size
    env.close()
    return sent / (CHUNKS * TIME * ENVS)


def insertion(prioritized: bool, *, judged: bool = False) -> float:
    """Return rows per core second inserted into a full shard, in chunks of 16 rows of 32 lanes.

    `judged` chunks include priorities, as computed by actors.
    """
    settings = changed(pong(), {"replay.capacity": 100_000, "replay.prioritized": prioritized})
    spec = EnvSpec((84, 84), np.dtype(np.uint8), Discrete(6))
    shard, flags = make_replay(settings, spec), np.zeros((TIME, ENVS), np.bool_)
    frames, row = np.zeros((TIME, ENVS, *blocks_shape((84, 84))), np.uint8), flags.astype(np.float32)
    error = np.random.default_rng(0).random((TIME, ENVS), np.float32) if judged else None
    columns = flags.astype(np.uint16), row, flags, flags
    chunks = [Chunk(frames, *columns, 0, 0, TIME * i, 1, error) for i in range(800)]
    for chunk in chunks[:300]:
        shard.add(chunk)
    begin = time.process_time()
    for chunk in chunks[300:]:
        shard.add(chunk)
    return 500 * TIME * ENVS / (time.process_time() - begin)


def milliseconds(layer: nn.Module, images: torch.Tensor) -> float:
    """Return the CPU time of a forward and backward pass of `images` [B, C, H, W] in bfloat16, best of five rounds."""

    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        slope = torch.ones_like(layer(images))

    def once() -> None:
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            torch.autograd.backward(layer(images), slope)

    once()
    return min(_seconds(once) for _ in range(ROUNDS)) * 1e3


def _seconds(call: Callable[[], None]) -> float:
    begin = time.process_time()
    for _ in range(TURNS):
        call()
    return (time.process_time() - begin) / TURNS


def main() -> None:
    """Print lines for frames on the wire, insertion and the first convolution."""
    torch.set_num_threads(1)
    for game in GAMES:
        say("wire", game=game, bytes_per_step=bytes_per_step(game), unpacked=84 * 84)
    for prioritized, judged in ((False, False), (True, False), (True, True)):
        rate = insertion(prioritized, judged=judged)
        say("insertion", prioritized=prioritized, by_actors=judged, rows_per_core_second=rate, **hardware())
    stacks, blocks = torch.rand(SAMPLES, 4, 84, 84).bfloat16(), torch.rand(SAMPLES, 64, 21, 21).bfloat16()
    last = {"memory_format": torch.channels_last}
    found = {
        "stacks": milliseconds(nn.Conv2d(4, 16, 8, 4), stacks),
        "stacks_channels_last": milliseconds(nn.Conv2d(4, 16, 8, 4), stacks.contiguous(**last)),
        "blocks": milliseconds(BlockConv(4, 16, 8, 4), blocks.contiguous(**last)),
    }
    say("first convolution", samples=SAMPLES, **{f"{name}_ms": ms for name, ms in found.items()}, **hardware())


if __name__ == "__main__":
    main()
