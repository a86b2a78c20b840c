"""A small learner and batches for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.dqn.learner import Learner, LearnerSettings
from agents.networks.q_network import NetworkSettings
from agents.replay.transitions import Batch
from tests.specs import spec_of

A, SHAPE, STACK, N = 3, (4,), 2, 2


def make_learner(network: NetworkSettings | None = None, *, seed: int = 0, **options: Any) -> Learner:
    """Return a small learner in float32 on the CPU."""
    settings = LearnerSettings(**{"precision": "fp32", "device": "cpu", "gamma": 0.9, **options})
    network = network or NetworkSettings(kind="mlp", stack=STACK, hidden=16)
    pixels = network.kind != "mlp"
    return Learner(settings, network, spec_of((84, 84) if pixels else SHAPE, A), seed=seed, beta=lambda _: 0.5)


def batch_of(size: int = 8, seed: int = 0, **fields: Any) -> Batch:
    """Return random transitions, some of them terminal."""
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(0, 2, shape).astype(np.float32))

    discount = torch.from_numpy(rng.choice([0.0, 0.9, 0.81], size).astype(np.float32))
    batch = Batch(
        obs=floats(size, 1, STACK, *SHAPE),
        action=torch.from_numpy(rng.integers(A, size=size)),
        reward=floats(size, N),
        discount=discount,
        next_obs=floats(size, 1, STACK, *SHAPE),
        priority=torch.from_numpy(rng.uniform(0.1, 3, size).astype(np.float32)),
        key=np.arange(size),
        version=np.full(size, 7, np.int32),
    )
    return batch._replace(**fields)


class Feed:
    """A replay that returns given batches and records the priorities it gets."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches, self.sizes, self.updates = iter(batches), list[int](), list[tuple[Any, Any]]()

    def sample(self, batch_size: int) -> Batch:
        self.sizes.append(batch_size)
        return next(self.batches)

    def update_priorities(self, key: Any, priority: Any) -> None:
        self.updates.append((key, priority))


def flat(learner: Learner) -> Tensor:
    """Return all online parameters, flattened."""
    return torch.cat([p.detach().flatten() for p in learner.online.parameters()])
