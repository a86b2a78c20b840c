"""What CrossQ is made of, for whoever trains or judges it: see `agents.parts`."""

from __future__ import annotations

from typing import Any

from agents.dqn.parts import make_env as make_env
from agents.dqn.parts import make_replay as make_replay
from agents.sac.learner import SacLearner
from agents.sac.networks import Actor
from agents.sac.policy import SacPolicy
from agents.sac.presets import PRESETS as PRESETS
from agents.sac.settings import SacSettings
from agents.saved_policy import network_with, spec_of
from envs import EnvSpec


def make_network(settings: SacSettings, spec: EnvSpec) -> Actor:
    """The actor, without critics."""
    return Actor(settings.network, spec.frame_shape, spec.joints)


def make_policy(settings: SacSettings, spec: EnvSpec) -> SacPolicy:
    """A policy on the CPU that learns nothing itself."""
    return policy_with(make_network(settings, spec).requires_grad_(False), settings, "cpu")


def policy_with(network: Actor, settings: SacSettings, device: str) -> SacPolicy:
    """A policy that acts by `network`."""
    return SacPolicy(network, precision=settings.learner.precision, device=device)


def make_learner(settings: SacSettings, spec: EnvSpec) -> SacLearner:
    """A learner on the settings' device."""
    return SacLearner(settings.learner, settings.network, spec, seed=settings.seed)


def policy_of(state: dict[str, Any], settings: SacSettings) -> SacPolicy:
    """The policy in a checkpoint's `learner` branch, for the env of the settings.

    Raises:
        ValueError: the weights are those of another network or env.
    """
    network = make_network(settings, spec_of(settings.env))
    return policy_with(network_with(network, state), settings, "cpu")
