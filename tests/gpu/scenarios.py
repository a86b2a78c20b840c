"""Scenarios of GPU work on the simulated GPU: `python -m tests.gpu.scenarios LIBRARY` prints the counts.

Runs in its own process, as the library must load before torch, and patches are not undone.
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
from torch._subclasses.fake_tensor import FakeTensorMode

from agents.acting.policy import QPolicy
from agents.dqn import learner as learner_module
from agents.dqn.feed import Feed
from agents.dqn.learner import Learner
from agents.networks.layers import LayerNormNHWC
from agents.replay import transitions as transitions_module
from agents.replay.shard import ReplayShard
from gan.data.files import RawImages
from gan.data.images import split
from gan.standard.trainer import Trainer
from tests.gan.small import tiny
from tests.gpu.made import BATCH, FEW, LANES, MANY, PERIOD, ROWS, chunk_of, cloning, learner_of, pqn, shard_of, torques
from tests.gpu.watched import Watch, stand_in
from tests.specs import spec_of

Found = dict[str, Any]
ALL = ("dqn2013", "categorical", "dueling double prioritized average norm noisy")
KINDS: tuple[tuple[str, str, str], ...] = (
    ("dqn2013", "scalar", ""),
    ALL,
    ("dqn2015", "scalar", "dueling double prioritized average norm"),
    ("dqn2015", "categorical", "average"),
    ("mlp", "scalar", "double prioritized conservative"),
    ("mlp", "categorical", "dueling norm"),
    ("stem", "quantile", "double prioritized average norm"),
    ("impala", "histogram", "dueling average munchausen"),
    ("dqn2013", "implicit", "dueling double prioritized noisy"),
    ("tests.gpu.made:Torso", "scalar", "dueling prioritized"),
)


def devices(values: Any) -> set[str]:
    """Return the device types of tensors."""
    return {value.device.type for value in values}


def updates(watch: Watch, learner: Any, replay: Any) -> Found:
    """Return the copies and waits per update, and those made once per call of train."""
    watch.taken()
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
    """Return the counts without zeros."""
    return {kind: {line: n for line, n in lines.items() if n} for kind, lines in counts.items()}


def deep_q(kind: str, head: str, words: str) -> Found:
    """Count copies and waits of replay on the GPU, of updates, weights, state and acting of a DQN learner."""
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
    learner.feed.start(shard, BATCH, 1)
    batch, out_next = learner.feed.take()
    update = learner.update(batch, out_next)
    assert devices(value for value in batch if isinstance(value, torch.Tensor)) == {"cuda"}
    assert devices([update.priority, *update.metrics.values(), *update.distributions.values()]) == {"cuda"}
    assert devices(v for s in learner.optimizer.state.values() for v in s.values()) == {"cuda"}
    watch.taken()
    weights = learner.weights()
    found["weights"] = watch.taken()
    assert {name: v.shape for name, v in weights.items()} == {
        n: tuple(p.shape) for n, p in learner.online.state_dict().items()
    }
    state = learner.state()
    found["state"] = watch.taken()
    learner.load_state(state)
    assert devices(v for s in learner.optimizer.state.values() for v in s.values()) == {"cuda"}
    shard.load_state(shard.state())
    watch.taken()
    policy = QPolicy(learner.online, precision="auto", device=learner.device)
    stacks = np.zeros((LANES, shard.frames.shape[1], 4, shard.frames.shape[2]), shard.frame_dtype)
    assert policy.values(stacks, noise=lambda: 3).shape == (LANES, 3)
    found["values"] = watch.taken()
    found["norms"] = norms(learner, shard)
    return found


def unfused(learner: Any, train: Callable[[], Any]) -> Found:
    """Save and load a learner whose optimiser counts steps on the CPU, and train on; count the saving."""
    train()
    before = [(name, v.device) for s in learner.optimizer.state.values() for name, v in s.items()]
    assert {device.type for name, device in before if name == "step"} == {"cpu"}
    Watch.current.taken()
    state = learner.state()
    found = {"state": Watch.current.taken()}
    learner.load_state(state)
    assert [(name, v.device) for s in learner.optimizer.state.values() for name, v in s.items()] == before
    train()
    return found


def norms(learner: Learner, shard: ReplayShard) -> list[str]:
    """Return the output dtypes of image layer norms under autocast."""
    seen: list[str] = []
    for module in learner.target.modules():
        if isinstance(module, LayerNormNHWC):
            module.register_forward_hook(lambda _, given, out: seen.append(str(out.dtype)))
    learner.feed.start(shard, BATCH, 1)
    learner.feed.take()
    return seen


def gan(penalty: str, norm: str, conditional: bool) -> Found:
    """Count copies and waits of one step of a GAN's trainer."""
    pixels = np.random.default_rng(0).integers(0, 256, (400, 1, 8, 8)).astype(np.uint8)
    kind = {"r1r2": "relativistic", "gradient": "wasserstein", "none": "nonsaturating"}[penalty]
    kinds = {"loss__kind": kind, "loss__penalty": penalty, "network__discriminator_norm": norm}
    settings = tiny(training__device="cuda", network__conditional=conditional, **kinds)
    trainer = Trainer(settings, split("noise", RawImages(pixels, np.arange(400) % 10)))
    trainer.step()
    Watch.current.taken()
    assert devices(trainer.step().values()) == {"cuda"}
    found = {"step": Watch.current.taken()}
    assert devices(
        p for network in (trainer.generator, trainer.discriminator, trainer.average) for p in network.parameters()
    ) == {"cuda"}
    return found


def controls() -> Found:
    """Run deliberate mistakes; return their counts, or the error that each raises."""
    right, found = learner_module.importance_weights, Found()

    def on_cpu(priority: torch.Tensor, beta: float) -> torch.Tensor:
        return right(priority, beta) * torch.ones(len(priority))

    def looked_at(priority: torch.Tensor, beta: float) -> torch.Tensor:
        return right(priority, beta) * priority.max().item()

    def drawn_on_cpu(device: str, *numbers: int) -> torch.Generator:
        return torch.Generator("cpu")

    def kept_on_cpu(tensor: torch.Tensor, device: str) -> torch.Tensor:
        return tensor

    for name, place, attribute, wrong in (
        ("a tensor made on the CPU", learner_module, "importance_weights", on_cpu),
        ("a forgotten item()", learner_module, "importance_weights", looked_at),
        ("noise drawn by the CPU", learner_module, "make_generator", drawn_on_cpu),
        ("a batch left on the CPU", transitions_module, "moved", kept_on_cpu),
        ("a batch not waited for", Feed, "take", lambda feed: feed.asked.popleft().result()[:2]),
        ("an update not waited for", Feed, "_beside", lambda feed, _: torch.cuda.stream(feed.stream)),
    ):
        before = getattr(place, attribute)
        setattr(place, attribute, wrong)
        with FakeTensorMode(allow_non_fake_inputs=True), Watch():
            try:
                learner, shard = learner_of(*ALL), shard_of(*ALL[::2], device="cuda")
                found[name] = updates(Watch.current, learner, shard)
            except (RuntimeError, AssertionError) as error:
                found[name] = {"error": str(error).splitlines()[0]}
        setattr(place, attribute, before)
    return found


def main() -> None:
    """Run all scenarios and print their counts as JSON."""
    pretend.believe()
    stand_in()
    learner_module.AVERAGE_PERIOD = PERIOD
    done: Found = {"controls": controls()}
    for case in KINDS:
        with FakeTensorMode(allow_non_fake_inputs=True), Watch():
            done[" ".join(case)] = deep_q(*case)
    for make in (pqn, cloning, torques):
        with FakeTensorMode(allow_non_fake_inputs=True), Watch():
            done[make.__name__] = updates(Watch.current, *make()) if make is torques else unfused(*make())
    for penalty, norm, conditional in (("r1r2", "none", True), ("gradient", "none", False), ("none", "batch", False)):
        with FakeTensorMode(allow_non_fake_inputs=True), Watch():
            done[f"gan {penalty} {norm}"] = gan(penalty, norm, conditional)
    print(json.dumps(done, indent=1))
    sys.stdout.flush()
    os._exit(0)  # the simulated GPU cannot be torn down


if __name__ == "__main__":
    main()
