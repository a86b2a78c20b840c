"""What a PQN is made of, for whoever trains or judges it: see `agents.parts`. It has no replay."""

from __future__ import annotations

from typing import Any

from agents.acting.policy import QPolicy
from agents.networks.q_network import QNetwork
from agents.pqn.learner import PqnLearner
from agents.pqn.settings import PqnSettings
from agents.saved_policy import q_policy_of
from envs.base import EnvSpec


def make_network(settings: PqnSettings, spec: EnvSpec) -> QNetwork:
    """The Q-network."""
    return QNetwork(settings.network, spec.frame_shape, spec.num_actions)


def make_policy(settings: PqnSettings, spec: EnvSpec) -> QPolicy:
    """A policy on the CPU that learns nothing itself."""
    return QPolicy(make_network(settings, spec).requires_grad_(False), precision=settings.learner.precision)


def make_learner(settings: PqnSettings, spec: EnvSpec) -> PqnLearner:
    """A learner on the settings' device."""
    return PqnLearner(settings.learner, settings.network, spec, seed=settings.seed)


def policy_of(state: dict[str, Any], settings: PqnSettings) -> QPolicy:
    """The policy in a checkpoint's `learner` branch, for the env of the settings.

    Raises:
        ValueError: the weights are those of another network or game.
    """
    return q_policy_of(state, settings.network, settings.env, settings.learner.precision)
