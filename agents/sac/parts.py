"""Factories of CrossQ; see `agents.parts`."""

from __future__ import annotations

from agents.dqn.parts import make_env as make_env
from agents.dqn.parts import make_replay as make_replay
from agents.sac.learner import SacLearner
from agents.sac.networks import Actor
from agents.sac.policy import SacPolicy
from agents.sac.settings import SacSettings
from envs import EnvSpec


def make_network(settings: SacSettings, spec: EnvSpec) -> Actor:
    """Create the actor, without critics."""
    return Actor(settings.network, spec.frame_shape, spec.joints)


def policy_with(network: Actor, settings: SacSettings, device: str) -> SacPolicy:
    """Create a policy that acts with `network`."""
    return SacPolicy(network, precision=settings.learner.precision, device=device)


def make_learner(settings: SacSettings, spec: EnvSpec) -> SacLearner:
    """Create a learner on the settings' device."""
    return SacLearner(settings.learner, settings.network, spec, seed=settings.seed)
