"""Compare the throughput of the distributed loop with a roofline of the machine and with other libraries.

    python -m benchmarks.speed                 the roofline and our loop at 2, 4 and 8 samples per agent step
    python -m benchmarks.speed --peers         stable-baselines3 and RLlib beside it, in turn, in the same run
    python -m benchmarks.speed --rounds 3      the same three times, and the medians

Pong, the network of Mnih et al. (2013), batch 256, uniform replay. Parts are measured alone, by one process with one
thread per core, and their rates summed. The roofline at rho trained samples per agent step is

    1 / (1/env + 1/infer + rho (1/train + 1/infer))

where `train` is a gradient step and `infer` a pass of the acting or the target network. Each line is JSON. Measures
CPUs, even if there is a GPU, which `benchmarks.learner` measures.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from gymnasium.spaces import Discrete

from agents.acting.policy import QPolicy
from agents.dqn.learner import Learner
from agents.dqn.presets import pong
from agents.dqn.settings import Settings
from agents.replay.frames import blocks_shape
from agents.replay.transitions import Batch
from agents.settings import FleetSettings
from cluster.fleet.loop import FleetLoop
from envs import EnvSpec, make_env
from training.process import keep_freed_memory
from training.storage.provenance import hardware

BATCH = 256
RATIOS = (2, 4, 8)
PONG = EnvSpec((84, 84), np.dtype(np.uint8), Discrete(6))


def settings_for(ratio: float) -> Settings:
    """Return the `pong` preset with the peers' network and batch, and runners suited to the ratio on two cores."""
    preset = pong()
    # With few samples per step envs dominate and need every core; with many, the learner needs one of its own.
    runners = max((os.cpu_count() or 1) - (ratio > 4), 1)
    fleet = FleetSettings(runners=runners, envs_per_runner=64, chunk_steps=16)
    return dataclasses.replace(
        preset,
        network=dataclasses.replace(preset.network, layer_norm=False),
        learner=dataclasses.replace(preset.learner, batch_size=BATCH, device="cpu"),
        replay=dataclasses.replace(
            preset.replay, n_step=1, samples_per_insert=ratio, capacity=100_000, learning_starts=5_000
        ),
        evaluation=dataclasses.replace(preset.evaluation, every_steps=0),
        fleet=fleet,
    )


def env_rate(seconds: float) -> float:
    """Return agent steps per second of the emulator alone, with random actions."""
    env = make_env(settings_for(4).env, 32)
    env.reset(0)
    action = np.random.default_rng(0).integers(env.spec.num_actions, size=(1024, 32))
    rate = _repeat(lambda turn: env.step(action[turn % 1024]), seconds) * 32
    env.close()
    return rate


def infer_rate(seconds: float) -> float:
    """Return observations per second through the acting network, in batches of 64."""
    learner = _learner()
    policy = QPolicy(learner.online, precision="auto")
    obs = np.random.default_rng(0).integers(256, size=(64, *_obs_shape()), dtype=np.uint8)
    return _repeat(lambda _: policy.values(obs), seconds) * 64


def train_rate(seconds: float) -> float:
    """Return samples per second of the update (gradient, optimiser) on one batch that stays in memory.

    The target network's pass is subtracted, at the rate of inference, since the roofline counts it separately.
    """
    learner = _learner()
    obs = torch.randint(256, (2, BATCH, *_obs_shape()), dtype=torch.uint8)
    ones = torch.ones(BATCH)
    key = np.zeros(BATCH, np.int64)
    batch = Batch(
        obs[0], torch.zeros(BATCH, dtype=torch.int64), ones[:, None], ones, obs[1], ones, key, key.astype(np.int32)
    )
    whole = _repeat(lambda _: learner.update(batch), seconds) * BATCH
    policy = QPolicy(learner.online, precision="auto")
    target = _repeat(lambda _: policy.values(obs[1].numpy()), seconds / 4) * BATCH
    return 1 / (1 / whole - 1 / target)


def _learner() -> Learner:
    s = settings_for(4)
    return Learner(s.learner, s.network, PONG, seed=0)


def _obs_shape() -> tuple[int, int, int]:
    blocks, depth = blocks_shape((84, 84))
    return blocks, 4, depth


def _repeat(call: Callable[[int], Any], seconds: float) -> float:
    """Return calls per second, after a warm-up of a fifth of `seconds`."""
    for start, span in ((time.perf_counter(), seconds / 5), (0.0, seconds)):
        start, turn = start or time.perf_counter(), 0
        while (passed := time.perf_counter() - start) < span:
            call(turn)
            turn += 1
    return turn / passed


def _alone(part: Callable[[float], float], seconds: float, rates: Any) -> None:
    keep_freed_memory()
    torch.set_num_threads(1)
    rates.put(part(seconds))


def all_cores(part: Callable[[float], float], seconds: float) -> float:
    """Return the sum of `part` over one process per core, all at the same time."""
    context = multiprocessing.get_context("spawn")
    rates = context.Queue()
    processes = [context.Process(target=_alone, args=(part, seconds, rates)) for _ in range(os.cpu_count() or 1)]
    for process in processes:
        process.start()
    total = sum(rates.get() for _ in processes)
    for process in processes:
        process.join()
    return float(total)


def loop(ratio: float, seconds: float) -> dict[str, float]:
    """Measure the distributed loop in its steady state: real runners, replay and updates."""
    keep_freed_memory()
    run = FleetLoop(settings_for(ratio))
    try:
        while run.stats.updates < 50:
            run.step()
        begin, start = time.perf_counter(), run.limiter.sampled
        while time.perf_counter() - begin < seconds:
            run.step()
        passed = time.perf_counter() - begin
        steps = (run.limiter.sampled - start) / ratio  # from trained samples, since steps arrive in chunks of 1,024
    finally:
        run.close()
    return {"agent_steps_per_second": steps / passed, "samples_per_step": ratio, "seconds": passed}


def peer(system: str, ratio: int, seconds: float, *flags: str) -> dict[str, Any]:
    """Measure another system in a separate process."""
    command = [sys.executable, "-m", f"benchmarks.peers.{system}", "--samples-per-step", str(ratio)]
    done = subprocess.run([*command, "--seconds", str(seconds), *flags], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def one_round(ratio: int, seconds: float, peers: bool) -> dict[str, float]:
    """Measure and print the parts, our loop and the peers; return agent steps per second by system, and our share."""
    # Parts are measured in every round, since a shared machine drifts by a quarter within minutes.
    env, infer, train = (all_cores(part, seconds / 4) for part in (env_rate, infer_rate, train_rate))
    say("alone", env_steps_per_second=env, infer_per_second=infer, train_samples_per_second=train, **hardware())
    ours = loop(ratio, seconds)
    roofline = 1 / (1 / env + 1 / infer + ours["samples_per_step"] * (1 / train + 1 / infer))
    rate = ours["agent_steps_per_second"]
    say("quarterdeck", **ours, roofline=roofline, of_roofline=rate / roofline)
    found = {"of_roofline": rate / roofline, "quarterdeck": rate}
    for system, flags in PEERS if peers else ():
        theirs = peer(system, ratio, seconds, *flags)
        found[" ".join([system, *flags])] = theirs["agent_steps_per_second"]
        say(system, flags=flags, **theirs, times_faster=rate / theirs["agent_steps_per_second"])
    return found


def main() -> None:
    """Print one JSON line per measurement, then medians; ratios compare lines of the same run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=40.0, help="of every steady state")
    options.add_argument("--ratios", type=int, nargs="+", default=RATIOS, help="trained samples per agent step")
    options.add_argument("--rounds", type=int, default=1, help="of every ratio")
    options.add_argument("--peers", action="store_true", help="measure stable-baselines3 and RLlib too")
    asked = options.parse_args()
    for ratio in asked.ratios:
        rounds = [one_round(ratio, asked.seconds, asked.peers) for _ in range(asked.rounds)]
        middle = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
        say("median", rounds=asked.rounds, samples_per_step=ratio, **middle)
    for system in ("sb3", "rllib") if asked.peers else ():
        say(f"{system} defaults", **peer(system, 8, asked.seconds, "--defaults"))


PEERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("sb3", ()),
    ("sb3", ("--stock",)),
    ("rllib", ()),
    ("rllib", ("--stock",)),
)


def say(name: str, **figures: Any) -> None:
    """Print one JSON line, with floats rounded to four significant digits."""
    short = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in figures.items()}
    print(json.dumps({"measured": name, **short}), flush=True)


if __name__ == "__main__":
    main()
