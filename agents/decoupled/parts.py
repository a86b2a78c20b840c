"""What DecQN is made of, for whoever trains or judges it: see `agents.parts`. The network has a row for every joint."""

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
    """The Q-network: three values for each of J joints."""
    return QNetwork(settings.network, spec.frame_shape, spec.joints)


def policy_with(network: QNetwork, settings: DecoupledSettings, device: str) -> BangOffBangPolicy:
    """A policy that acts by `network`."""
    return BangOffBangPolicy(network, precision=settings.learner.precision, device=device)


def make_learner(settings: DecoupledSettings, spec: EnvSpec) -> Learner:
    """The learner of deep Q-learning on the settings' device, whose network has joints where it looks for actions."""
    rows = spec._replace(actions=Discrete(spec.joints))
    return Learner(settings.learner, settings.network, rows, seed=settings.seed, beta=settings.replay.beta_at)
