"""Factories of DecQN (see `agents.parts`), whose network has one row of outputs per joint."""

from __future__ import annotations

from gymnasium.spaces import Discrete

from agents.decoupled.policy import BangOffBangPolicy
from agents.decoupled.settings import DecoupledSettings
from agents.dqn.learner import Learner
from agents.dqn.parts import make_env as make_env
from agents.dqn.parts import make_replay as make_replay
from agents.networks.q_network import QNetwork
from envs import EnvSpec


def make_network(settings: DecoupledSettings, spec: EnvSpec) -> QNetwork:
    """Create the Q-network, with three values for each of J joints."""
    return QNetwork(settings.network, spec.frame_shape, spec.joints)


def policy_with(network: QNetwork, settings: DecoupledSettings, device: str) -> BangOffBangPolicy:
    """Create a policy that acts with `network`."""
    return BangOffBangPolicy(network, precision=settings.learner.precision, device=device)


def make_learner(settings: DecoupledSettings, spec: EnvSpec) -> Learner:
    """Create a deep Q-learning learner on the settings' device, with joints in place of its network's actions."""
    rows = spec._replace(actions=Discrete(spec.joints))
    return Learner(settings.learner, settings.network, rows, seed=settings.seed, beta=settings.replay.beta_at)
