"""What recurrent deep Q-learning is made of, for whoever trains or judges it: see `agents.parts`."""

from __future__ import annotations

from agents.dqn.parts import make_env as make_env
from agents.networks.recurrent import MemoryQNetwork
from agents.recurrent.learner import SequenceLearner
from agents.recurrent.policy import RecurrentPolicy
from agents.recurrent.settings import RecurrentSettings
from agents.replay.sequences import SequenceShard
from envs import EnvSpec


def make_network(settings: RecurrentSettings, spec: EnvSpec) -> MemoryQNetwork:
    """The Q-network and its memory."""
    return MemoryQNetwork(settings.network, spec.frame_shape, spec.num_actions)


def policy_with(network: MemoryQNetwork, settings: RecurrentSettings, device: str) -> RecurrentPolicy:
    """The policy that acts by a learner's network, where that lies."""
    return RecurrentPolicy(network, precision=settings.learner.precision, device=device)


def make_learner(settings: RecurrentSettings, spec: EnvSpec) -> SequenceLearner:
    """A learner on the settings' device."""
    return SequenceLearner(settings, spec)


def make_replay(
    settings: RecurrentSettings, spec: EnvSpec, *, shard: int = 0, device: str = "cpu", key_offset: int = 0
) -> SequenceShard:
    """An empty shard of sequences: the one with number `shard`, or all of replay where there is only one."""
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
