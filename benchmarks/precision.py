"""Compare the speed of bf16, fp32 and `auto` on this CPU, and print what `auto` chooses.

    python -m benchmarks.precision
    ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.precision      as on a CPU without bf16 instructions

Measures the update and the acting network of preset `pong`, and a step of `gan digits`, on one thread. The precisions
alternate, so that drift of the machine affects all alike. Each line is JSON: median, minimum and maximum over rounds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from typing import get_args

import numpy as np
import torch

from agents.acting.policy import QPolicy
from agents.dqn.learner import Learner
from agents.dqn.presets import pong
from agents.replay.frames import blocks_shape
from agents.replay.transitions import Batch
from benchmarks.speed import PONG
from gan.data.images import load
from gan.standard.presets import digits
from gan.standard.trainer import Trainer
from training.device import Precision, bf16_cost, resolve_precision
from training.process import keep_freed_memory
from training.settings import changed
from training.storage.provenance import hardware

ACTING = 32  # observations per pass, as in a runner of the preset


def update_of(precision: Precision) -> tuple[Callable[[], object], int]:
    """Return an update of the `pong` preset's learner, including the target network's pass, and its batch size."""
    s = pong()
    learner = Learner(dataclasses.replace(s.learner, precision=precision, device="cpu"), s.network, PONG, seed=0)
    batch, (blocks, depth) = s.learner.batch_size, blocks_shape((84, 84))
    obs = torch.randint(256, (2, batch, blocks, s.network.stack, depth), dtype=torch.uint8)
    ones, zeros = torch.ones(batch), np.zeros(batch, np.int32)
    drawn = Batch(
        obs=obs[0], action=torch.zeros(batch, dtype=torch.int64), reward=torch.zeros(batch, s.replay.n_step),
        discount=ones, next_obs=obs[1], priority=ones, key=zeros.astype(np.int64), version=zeros,
    )  # fmt: skip
    return lambda: learner.update(drawn), batch


def acting_of(precision: Precision) -> tuple[Callable[[], object], int]:
    """Return a pass of the acting network, and its number of observations."""
    s, (blocks, depth) = pong(), blocks_shape((84, 84))
    learner = Learner(dataclasses.replace(s.learner, device="cpu"), s.network, PONG, seed=0)
    policy = QPolicy(learner.online, precision=precision)
    obs = np.random.default_rng(0).integers(256, size=(ACTING, blocks, s.network.stack, depth), dtype=np.uint8)
    return lambda: policy.values(obs), ACTING


def gan_of(precision: Precision) -> tuple[Callable[[], object], int]:
    """Return a step of `gan digits`, and its number of real images."""
    settings = changed(digits(), {"training.precision": precision, "training.device": "cpu"})
    trainer = Trainer(settings, load(settings.data))
    return trainer.step, settings.training.batch_size


PARTS = {
    "pong update, samples/s": update_of,
    "pong acting, observations/s": acting_of,
    "gan digits, images/s": gan_of,
}


def rate(call: Callable[[], object], size: int, seconds: float) -> float:
    """Return `size` times the calls per second, after a warm-up call."""
    call()
    start, calls = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        call()
        calls += 1
    return size * calls / passed


def main() -> None:
    """Print one JSON line per part and precision."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=3.0, help="of every measurement")
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    decided = {"auto is": resolve_precision("auto", "cpu"), "bf16 over fp32, the trial": round(bf16_cost("cpu"), 2)}
    print(json.dumps({**decided, **hardware()}))
    for name, part in PARTS.items():
        calls = {precision: part(precision) for precision in get_args(Precision)}
        rounds = [{p: rate(*call, asked.seconds) for p, call in calls.items()} for _ in range(asked.rounds)]
        for precision in calls:
            rates = sorted(turn[precision] for turn in rounds)
            figures = {"median": rates[len(rates) // 2], "least": rates[0], "most": rates[-1]}
            print(json.dumps({"measured": name, "precision": precision, **{k: round(v) for k, v in figures.items()}}))


if __name__ == "__main__":
    main()
