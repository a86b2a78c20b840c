"""Small learners and replays on the simulated GPU."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import nn

from agents.dqn.learner import Learner, LearnerSettings
from agents.imitation.dataset import DatasetEpisode
from agents.imitation.labels import EpisodeSubset, Labels
from agents.imitation.learner import CloningLearner, CloningLearnerSettings
from agents.networks.q_network import NetworkSettings
from agents.pqn.experience import Experience
from agents.pqn.learner import PqnLearner, PqnLearnerSettings
from agents.replay.frames import blocks_shape
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Chunk, ReplaySettings
from agents.sac.learner import SacLearner
from agents.sac.learner_settings import SacLearnerSettings
from agents.sac.networks import SacNetworkSettings
from envs.base import EnvSpec
from tests.gpu.watched import Inline
from tests.specs import spec_of

LANES, ROWS, BATCH = 4, 16, 8
PERIOD = 2  # updates between renewals of the target and average networks
FEW, MANY = 1, 3  # updates of two calls of train: the first call renews nothing, the second renews twice


class Torso(nn.Module):
    """A user-defined torso."""

    def __init__(self, shape: tuple[int, ...], stack: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(shape[0], 4, 8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features [B, 400]."""
        return self.layer(x).flatten(1)


def learner_of(kind: str, head: str, words: str, **options: Any) -> Learner:
    """Return a DQN learner on the simulated GPU."""
    network = NetworkSettings(
        kind=kind, head=head, dueling="dueling" in words, layer_norm="norm" in words, noisy="noisy" in words
    )
    parts = {"average_rate": 0.02, "munchausen": 0.9, "conservative": 1.0}
    options |= {name: value for name, value in parts.items() if name.partition("_")[0] in words}
    settings = LearnerSettings(batch_size=BATCH, double="double" in words, target_period=PERIOD, **options)
    learner = Learner(settings, network, spec_of((4,) if kind == "mlp" else (84, 84)), seed=0)
    learner.feed.pool = Inline()  # type: ignore[assignment]
    return learner


def shard_of(kind: str, words: str, device: str) -> ReplayShard:
    """Return a replay shard with rows, its frames on `device`."""
    spec = spec_of((4,) if kind == "mlp" else (84, 84))
    settings = ReplaySettings(capacity=1_000, n_step=3, prioritized="prioritized" in words, learning_starts=0)
    shard = ReplayShard(settings, lanes=LANES, spec=spec, stack=4, gamma=0.99, seed=0, device=device)
    for start in range(0, 3 * ROWS, ROWS):
        shard.add(chunk_of(spec, start))
    return shard


def chunk_of(spec: Any, start: int) -> Chunk:
    """Return the chunk from row `start` of one long episode."""
    shape, none = (ROWS, LANES), np.zeros((ROWS, LANES), np.bool_)
    frames = np.zeros((*shape, *blocks_shape(spec.frame_shape)), spec.frame_dtype)
    first = none.copy()
    first[0] = start == 0
    return Chunk(frames, np.zeros(shape, np.uint16), np.zeros(shape, np.float32), none, first, 0, 0, start)


def torques() -> tuple[SacLearner, ReplayShard]:
    """Return a learner of torques and a replay shard, with frames on the simulated GPU."""
    spec = EnvSpec((4,), np.dtype(np.float32), Box(-1.0, 1.0, (2,), np.float32))
    settings = SacLearnerSettings(batch_size=BATCH, policy_delay=2)
    learner = SacLearner(settings, SacNetworkSettings(actor_units=8, critic_units=8), spec, seed=0)
    replay = ReplaySettings(capacity=1_000, learning_starts=0)
    shard = ReplayShard(replay, lanes=LANES, spec=spec, stack=1, gamma=0.99, seed=0, device=learner.device)
    for start in range(0, 3 * ROWS, ROWS):
        shard.add(chunk_of(spec, start)._replace(action=np.zeros((ROWS, LANES, 2), np.float32)))
    return learner, shard


def pqn() -> tuple[PqnLearner, Callable[[], Any]]:
    """Return a PQN learner and a function that trains it."""
    settings, shape = PqnLearnerSettings(minibatches=2, epochs=1), (ROWS, LANES)
    learner = PqnLearner(settings, NetworkSettings(kind="mlp", stack=1), spec_of((4,)), seed=0)
    obs, none = np.zeros((*shape, 1, 1, 4), np.float32), np.zeros(shape, np.bool_)
    reward, value = np.zeros(shape, np.float32), np.zeros((ROWS + 1, LANES), np.float32)
    seen = Experience(obs, np.zeros(shape, np.uint16), reward, none, ~none, value)
    return learner, lambda: learner.learn(seen, 0.0)


def cloning() -> tuple[CloningLearner, Callable[[], Any]]:
    """Return a behaviour-cloning learner and a function that trains it."""
    spec, none = spec_of(), np.zeros(ROWS, np.bool_)
    frames, reward = np.zeros((ROWS + 1, *spec.frame_shape), np.uint8), np.zeros(ROWS, np.float32)
    episode = DatasetEpisode(frames, np.zeros(ROWS, np.int64), reward, none, none, none)
    dataset: Any = SimpleNamespace(spec=spec, episodes=lambda numbers: [episode])
    labels = Labels(EpisodeSubset(np.array([0]), np.array([ROWS])), dataset, stack=4, device="cuda")
    learner = CloningLearner(CloningLearnerSettings(), NetworkSettings(kind="dqn2013"), spec, labels, None, seed=0)
    return learner, lambda: learner.train(FEW)
