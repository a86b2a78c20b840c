"""Interface of an algorithm's factories, by which fleets train any algorithm that settings name."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, cast

from torch import nn

from agents.acting.policy import LearningPolicy
from agents.settings import AgentSettings
from envs.base import BatchedEnv, EnvSpec


class Parts(Protocol):
    """A module of functions, such as `agents.dqn.parts`; `settings` are those of the algorithm."""

    def make_network(self, settings: Any, spec: EnvSpec) -> nn.Module:
        """Create the acting network."""
        ...

    def make_env(self, settings: Any, num_envs: int, num_threads: int) -> BatchedEnv:
        """Create a batch of envs for a runner."""
        ...

    def policy_with(self, network: Any, settings: Any, device: str) -> LearningPolicy:
        """Create a policy that acts with `network` on `device`."""
        ...

    def make_learner(self, settings: Any, spec: EnvSpec) -> Any:
        """Create a learner with the interface of `agents.dqn.learner.Learner`."""
        ...

    def make_replay(
        self, settings: Any, spec: EnvSpec, *, shard: int = 0, device: str = "cpu", key_offset: int = 0
    ) -> Any:
        """Create an empty replay shard with the interface of `agents.replay.shard.ReplayShard`."""
        ...


def parts_of(settings: AgentSettings) -> Parts:
    """Import the module named by `settings.parts`."""
    return cast(Parts, import_module(settings.parts))


def make_policy(settings: AgentSettings, spec: EnvSpec) -> Any:
    """Create a policy with its own network on the CPU, for inference only."""
    parts = parts_of(settings)
    return parts.policy_with(parts.make_network(settings, spec).requires_grad_(False), settings, "cpu")
