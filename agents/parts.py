"""What an algorithm is made of. A fleet trains whatever its settings name: it knows no algorithm itself."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, cast

from torch import nn

from agents.acting.policy import LearningPolicy
from agents.settings import AgentSettings
from envs.base import BatchedEnv, EnvSpec


class Parts(Protocol):
    """A module of functions, as `agents.dqn.parts`. `settings` are those of the algorithm."""

    def make_network(self, settings: Any, spec: EnvSpec) -> nn.Module:
        """What acts, without a learner."""
        ...

    def make_env(self, settings: Any, num_envs: int, num_threads: int) -> BatchedEnv:
        """E copies of what a runner plays."""
        ...

    def policy_with(self, network: Any, settings: Any, device: str) -> LearningPolicy:
        """The policy that acts by a learner's network, where that lies."""
        ...

    def make_learner(self, settings: Any, spec: EnvSpec) -> Any:
        """A learner with the attributes and methods of `agents.dqn.learner.Learner`."""
        ...

    def make_replay(
        self, settings: Any, spec: EnvSpec, *, shard: int = 0, device: str = "cpu", key_offset: int = 0
    ) -> Any:
        """An empty replay shard with the methods of `agents.replay.shard.ReplayShard`."""
        ...


def parts_of(settings: AgentSettings) -> Parts:
    """The module that `settings.parts` names."""
    return cast(Parts, import_module(settings.parts))


def make_policy(settings: AgentSettings, spec: EnvSpec) -> Any:
    """What the settings' parts act by, on the CPU, with parameters of its own; it learns nothing itself."""
    parts = parts_of(settings)
    return parts.policy_with(parts.make_network(settings, spec).requires_grad_(False), settings, "cpu")
