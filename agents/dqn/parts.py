"""Factories of deep Q-learning; see `agents.parts`."""

from __future__ import annotations

import envs
from agents.acting.policy import QPolicy
from agents.dqn.learner import Learner
from agents.dqn.settings import Settings
from agents.networks.q_network import QNetwork
from agents.replay.shard import ReplayShard
from envs import BatchedEnv, EnvSpec


def make_network(settings: Settings, spec: EnvSpec) -> QNetwork:
    """Create the Q-network."""
    return QNetwork(settings.network, spec.frame_shape, spec.num_actions)


def make_env(settings: Settings, num_envs: int, num_threads: int) -> BatchedEnv:
    """Create the training envs."""
    return envs.make_env(settings.env, num_envs, num_threads)


def policy_with(network: QNetwork, settings: Settings, device: str) -> QPolicy:
    """Create a policy that acts with `network` on `device`."""
    return QPolicy(network, precision=settings.learner.precision, device=device)


def make_learner(settings: Settings, spec: EnvSpec) -> Learner:
    """Create a learner on the settings' device."""
    return Learner(settings.learner, settings.network, spec, seed=settings.seed, beta=settings.replay.beta_at)


def make_replay(
    settings: Settings,
    spec: EnvSpec,
    *,
    shard: int = 0,
    device: str = "cpu",
    key_offset: int = 0,
    kind: type[ReplayShard] = ReplayShard,
) -> ReplayShard:
    """Create the empty replay shard `shard`, or all of replay if there are no shards.

    Args:
        device: of the frames.
        key_offset: see `agents.replay.keys`.
        kind: class of the shard.
    """
    return kind(
        settings.shard_replay(),
        lanes=settings.fleet.shard_lanes,
        spec=spec,
        stack=settings.network.stack,
        gamma=settings.learner.gamma,
        seed=settings.seed + shard,
        device=device,
        key_offset=key_offset,
    )
