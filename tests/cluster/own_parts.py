"""Parts of a user's algorithm: deep Q-learning with another learner and a policy that cycles through the actions.

They are in a module of their own, so that runners and learners can import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from agents.acting.policy import PolicyOutput, QPolicy
from agents.dqn import parts
from agents.dqn.learner import Learner
from agents.dqn.settings import Settings
from agents.networks.q_network import QNetwork
from envs.base import EnvSpec

make_env, make_network, make_replay = parts.make_env, parts.make_network, parts.make_replay


@dataclass(frozen=True, kw_only=True)
class OtherSettings(Settings):
    """Settings whose parts are in this module."""

    parts: ClassVar[str] = "tests.cluster.own_parts"


class ByTurns(QPolicy):
    """Cycles through the actions; its carry is the frame stack and the number of steps."""

    def start(self, num_envs: int) -> Any:
        return super().start(num_envs), 0

    def act(self, frame: Any, first: Any, carry: Any, explore: Any) -> PolicyOutput:
        stack, step = carry
        acted = super().act(frame, first, stack, explore)
        action = np.full(len(frame), step % acted.values.shape[1])
        return acted._replace(action=action, carry=(stack, step + 1))


class OtherLearner(Learner):
    """A learner that tests recognize by an attribute."""

    another = True


def policy_with(network: QNetwork, settings: OtherSettings, device: str) -> ByTurns:
    return ByTurns(network, precision=settings.learner.precision, device=device)


def make_learner(settings: OtherSettings, spec: EnvSpec) -> OtherLearner:
    return OtherLearner(settings.learner, settings.network, spec, seed=settings.seed, beta=settings.replay.beta_at)
