"""What CrossQ is made of, for whoever trains or judges it: see `agents.parts`."""

from __future__ import annotations

from agents.dqn.parts import make_env as make_env
from agents.dqn.parts import make_replay as make_replay
from agents.sac.learner import SacLearner
from agents.sac.networks import Actor
from agents.sac.policy import SacPolicy
from agents.sac.settings import SacSettings
from envs import EnvSpec


def make_network(settings: SacSettings, spec: EnvSpec) -> Actor:
    """The actor, without critics."""
    return Actor(settings.network, spec.frame_shape, spec.joints)


def policy_with(network: Actor, settings: SacSettings, device: str) -> SacPolicy:
    """A policy that acts by `network`."""
    return SacPolicy(network, precision=settings.learner.precision, device=device)


def make_learner(settings: SacSettings, spec: EnvSpec) -> SacLearner:
    """A learner on the settings' device."""
    return SacLearner(settings.learner, settings.network, spec, seed=settings.seed)
