"""Everything that is done on a GPU, done on the pretended one: `python -m tests.gpu.scenarios LIBRARY` prints what it counted.

A process of its own: the library comes before torch, and what is patched stays patched.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.gpu import pretend

if __name__ == "__main__":
    pretend.load(Path(sys.argv[1]))

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from agents.acting.policy import QPolicy
from agents.dqn import learner as learner_module
from agents.dqn.learner import Learner, LearnerSettings
from agents.networks.q_network import NetworkSettings
from agents.replay.frames import blocks_shape
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Batch, Chunk, ReplaySettings
from gan.data.files import RawImages
from gan.data.images import split
from gan.standard.trainer import Trainer
from tests.gan.small import tiny
from tests.gpu.watched import Inline, Watch, stand_in
from tests.specs import spec_of
from training.device import resolve_device

Found = dict[str, Any]
LANES, ROWS, BATCH = 4, 16, 8
PERIOD = 2  # updates until target and average are renewed
FEW, MANY = 2, 6  # updates of two calls of train: what the second has more is that of 4 updates
PLAIN = ("dqn2013", "scalar", "")
ALL = ("dqn2013", "categorical", "dueling double prioritized average norm")
KINDS: tuple[tuple[str, str, str], ...] = (
    PLAIN,
    ALL,
    ("dqn2015", "scalar", "dueling double prioritized average norm"),
    ("dqn2015", "categorical", "average"),
    ("mlp", "scalar", "double prioritized"),
    ("mlp", "categorical", "dueling norm"),
    ("tests.gpu.scenarios:Torso", "scalar", "dueling prioritized"),
)


class Torso(nn.Module):
    """A network of somebody else's."""

    def __init__(self, shape: tuple[int, ...], stack: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(shape[0], 4, 8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features [B, 400]."""
        return self.layer(x).flatten(1)


def learner_of(kind: str, head: str, words: str, **options: Any) -> Learner:
    """A learner on the pretended GPU."""
    network = NetworkSettings(kind=kind, head=head, dueling="dueling" in words, layer_norm="norm" in words)
    rate = 0.02 if "average" in words else 1.0
    settings = LearnerSettings(batch_size=BATCH, double="double" in words, average_rate=rate, target_period=PERIOD, **options)
    learner = Learner(settings, network, spec_of((4,) if kind == "mlp" else (84, 84)), seed=0)
    learner.feed.pool = Inline()  # type: ignore[assignment]
    return learner


def shard_of(kind: str, words: str, device: str) -> ReplayShard:
    """Replay with rows in it, its frames on `device`."""
    spec = spec_of((4,) if kind == "mlp" else (84, 84))
    settings = ReplaySettings(capacity=1_000, n_step=3, prioritized="prioritized" in words, learning_starts=0)
    shard = ReplayShard(settings, lanes=LANES, spec=spec, stack=4, gamma=0.99, seed=0, device=device)
    for start in range(0, 3 * ROWS, ROWS):
        shard.add(chunk_of(spec, start))
    return shard


def chunk_of(spec: Any, start: int) -> Chunk:
    """Rows of one long episode."""
    shape, none = (ROWS, LANES), np.zeros((ROWS, LANES), np.bool_)
    frames = np.zeros((*shape, *blocks_shape(spec.frame_shape)), spec.frame_dtype)
    first = none.copy()
    first[0] = start == 0
    return Chunk(frames, np.zeros(shape, np.uint16), np.zeros(shape, np.float32), none, first, 0, 0, start)


def devices(values: Any) -> set[str]:
    """Where tensors lie."""
    return {value.device.type for value in values}


def updates(watch: Watch, learner: Learner, replay: Any) -> Found:
    """What one update copies and waits for, and what a call of train does once."""
    learner.train(replay, FEW)
    few = watch.taken()
    learner.train(replay, MANY)
    many = watch.taken()
    each = {
        kind: {line: (many[kind][line] - few[kind].get(line, 0)) / (MANY - FEW) for line in many[kind]} for kind in many
    }
    once = {kind: {line: n - FEW * each[kind][line] for line, n in few[kind].items()} for kind in few}
    return {"update": kept(each), "call": kept(once)}


def kept(counts: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Without zeros."""
    return {kind: {line: n for line, n in lines.items() if n} for kind, lines in counts.items()}


def deep_q(kind: str, head: str, words: str) -> Found:
    """Replay on the GPU, the learner, its weights and state, and acting."""
    found: Found = {}
    watch = Watch.current
    learner = learner_of(kind, head, words)
    networks = (learner.online, learner.target, learner.policy)
    assert devices(p for network in networks for p in network.parameters()) == {"cuda"}
    shard = shard_of(kind, words, learner.device)
    assert devices([shard.frames]) == {"cuda"}
    watch.taken()
    shard.add(chunk_of(spec_of((4,) if kind == "mlp" else (84, 84)), 3 * ROWS))
    found["add"] = watch.taken()
    found["here"] = updates(watch, learner, shard)
    found["host"] = updates(watch, learner, shard_of(kind, words, "cpu"))
    batch, out_next = learner.feed.take(learner.feed.ask(shard, BATCH))
    update = learner.update(batch, out_next)
    assert devices(value for value in batch if isinstance(value, torch.Tensor)) == {"cuda"}
    assert devices([update.priority, *update.metrics.values(), *update.distributions.values()]) == {"cuda"}
    assert devices(v for s in learner.optimizer.state.values() for v in s.values()) == {"cuda"}
    watch.taken()
    weights = learner.weights()
    found["weights"] = watch.taken()
    assert {name: v.shape for name, v in weights.items()} == {n: tuple(p.shape) for n, p in learner.online.state_dict().items()}
    state = learner.state()
    found["state"] = watch.taken()
    learner.load_state(state)
    assert devices(v for s in learner.optimizer.state.values() for v in s.values()) == {"cuda"}
    shard.load_state(shard.state())
    watch.taken()
    policy = QPolicy(learner.online, precision="auto", device=learner.device)
    stacks = np.zeros((LANES, shard.frames.shape[1], 4, shard.frames.shape[2]), shard.frame_dtype)
    assert policy.values(stacks).shape == (LANES, 3)
    found["values"] = watch.taken()
    return found


def gan(penalty: str, norm: str, conditional: bool) -> Found:
    """One step of a GAN's trainer."""
    pixels = np.random.default_rng(0).integers(0, 256, (400, 1, 8, 8)).astype(np.uint8)
    kind = {"r1r2": "relativistic", "gradient": "wasserstein", "none": "nonsaturating"}[penalty]
    settings = tiny(
        loss__kind=kind, loss__penalty=penalty, network__discriminator_norm=norm, network__conditional=conditional
    )
    trainer = Trainer(settings, split("noise", RawImages(pixels, np.arange(400) % 10)))
    trainer.step()
    Watch.current.taken()
    assert devices(trainer.step().values()) == {"cuda"}
    found = {"step": Watch.current.taken()}
    assert devices(p for network in trainer._networks().values() for p in network.parameters()) == {"cuda"}
    return found


def main() -> None:
    pretend.believe()
    stand_in()
    learner_module.AVERAGE_PERIOD = PERIOD
    done: Found = {}
    for case in KINDS:
        with FakeTensorMode(allow_non_fake_inputs=True), Watch():
            done[" ".join(case)] = deep_q(*case)
    for case in (("r1r2", "none", True), ("gradient", "none", False), ("none", "batch", False)):
        with FakeTensorMode(allow_non_fake_inputs=True), Watch():
            done[f"gan {case[0]} {case[1]}"] = gan(*case)
    print(json.dumps(done, indent=1))
    sys.stdout.flush()
    os._exit(0)  # what is pretended cannot be torn down


if __name__ == "__main__":
    main()
