"""What a PQN is made of, for whoever trains or judges it: see `agents.parts`. It has no replay."""

from __future__ import annotations

from agents.dqn.parts import make_network as make_network
from agents.dqn.parts import policy_with as policy_with
from agents.parts import make_policy as make_policy
from agents.pqn.learner import PqnLearner
from agents.pqn.settings import PqnSettings
from agents.saved_policy import policy_of as policy_of
from envs.base import EnvSpec


def make_learner(settings: PqnSettings, spec: EnvSpec) -> PqnLearner:
    """A learner on the settings' device."""
    return PqnLearner(settings.learner, settings.network, spec, seed=settings.seed)
