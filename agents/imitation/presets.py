"""Presets: functions that return settings, each deviation from a paper in a numbered line."""

from __future__ import annotations

from collections.abc import Callable

from agents.dqn.learner_settings import LearnerSettings
from agents.imitation.settings import CloningSettings, OfflineSettings
from agents.networks.q_network import NetworkSettings


def cloning() -> CloningSettings:
    """Behaviour cloning with the network that `pong` trains."""
    return CloningSettings(network=NetworkSettings(kind="dqn2013", layer_norm=True))


def offline() -> OfflineSettings:
    """Offline deep Q-learning with CQL(H) of Kumar et al. (2020); other settings follow `pong`."""
    return OfflineSettings(
        network=NetworkSettings(kind="dqn2013", layer_norm=True),  # 1. the network of 2013, one value an action
        learner=LearnerSettings(
            batch_size=64,
            learning_rate=2.5e-4,
            target_period=200,
            average_rate=0.02,  # 2. judged by the average of the last 1,000 updates' weights
            conservative=1.0,
        ),
    )


PRESETS: dict[str, Callable[[], CloningSettings]] = {"cloning": cloning}
OFFLINE_PRESETS: dict[str, Callable[[], OfflineSettings]] = {"offline": offline}
