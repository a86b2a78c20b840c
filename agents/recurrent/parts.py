"""Factories of recurrent deep Q-learning; see `agents.parts`."""

from __future__ import annotations

from agents.dqn.parts import make_env as make_env
from agents.networks.recurrent import MemoryQNetwork
from agents.recurrent.learner import SequenceLearner
from agents.recurrent.policy import RecurrentPolicy
from agents.recurrent.settings import RecurrentSettings
from agents.replay.sequences import SequenceShard
from envs import EnvSpec


def make_network(settings: RecurrentSettings, spec: EnvSpec) -> MemoryQNetwork:
    """Create the Q-network and its memory."""
    return MemoryQNetwork(settings.network, spec.frame_shape, spec.num_actions)


def policy_with(network: MemoryQNetwork, settings: RecurrentSettings, device: str) -> RecurrentPolicy:
    """Create a policy that acts with `network`, which is on `device`."""
    return RecurrentPolicy(network, precision=settings.learner.precision, device=device)


def make_learner(settings: RecurrentSettings, spec: EnvSpec) -> SequenceLearner:
    """Create a learner on the settings' device."""
    return SequenceLearner(settings, spec)


def make_replay(
    settings: RecurrentSettings, spec: EnvSpec, *, shard: int = 0, device: str = "cpu", key_offset: int = 0
) -> SequenceShard:
    """Create an empty replay shard of sequences: number `shard`, or all of replay if there is only one."""
    return SequenceShard(
        settings.shard_replay(),
        settings.sequence,
        lanes=settings.fleet.shard_lanes,
        chunk_steps=settings.fleet.chunk_steps,
        spec=spec,
        memory=make_network(settings, spec).memory.size,
        gamma=settings.learner.gamma,
        seed=settings.seed + shard,
        device=device,
        key_offset=key_offset,
    )
