"""Parts of the design, each alone: what frames take on the wire, and the first convolution with and without blocks.

    python -m benchmarks.parts          a minute on one core; each line is JSON

Bytes are the same on every run: random play with seed 0. Milliseconds are the machine's: read their ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from agents.networks.layers import BlockConv
from agents.replay.frames import to_blocks
from agents.replay.transitions import Chunk
from benchmarks.speed import say
from cluster.fleet.compression import pack
from envs import make_env
from envs.base import EnvSettings
from training.storage.provenance import hardware

GAMES = ("pong", "breakout", "seaquest")
TIME, ENVS, CHUNKS = 16, 32, 50
SAMPLES, TURNS, ROUNDS = 256, 20, 5


def bytes_per_step(game: str) -> float:
    """Bytes that an agent step's frame takes between hosts, over 25,600 steps of random play."""
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


def milliseconds(layer: nn.Module, images: torch.Tensor) -> float:
    """Processor time of forward and backward of `images` [B, C, H, W], bfloat16, in the quickest of five rounds."""

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
    """One line for each game, one for the convolution."""
    torch.set_num_threads(1)
    for game in GAMES:
        say("wire", game=game, bytes_per_step=bytes_per_step(game), unpacked=84 * 84)
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
