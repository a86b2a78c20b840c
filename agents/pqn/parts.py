"""Factories of PQN (see `agents.parts`), which has no replay."""

from __future__ import annotations

from agents.dqn.parts import make_network as make_network
from agents.dqn.parts import policy_with as policy_with
from agents.pqn.learner import PqnLearner
from agents.pqn.settings import PqnSettings
from envs.base import EnvSpec


def make_learner(settings: PqnSettings, spec: EnvSpec) -> PqnLearner:
    """Create a learner on the settings' device."""
    return PqnLearner(settings.learner, settings.network, spec, seed=settings.seed)
