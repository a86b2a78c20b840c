"""Presets: functions that return settings."""

from __future__ import annotations

from collections.abc import Callable

from agents.imitation.settings import CloningSettings
from agents.networks.q_network import NetworkSettings


def cloning() -> CloningSettings:
    """Behaviour cloning with the network that `pong` trains."""
    return CloningSettings(network=NetworkSettings(kind="dqn2013", layer_norm=True))


PRESETS: dict[str, Callable[[], CloningSettings]] = {"cloning": cloning}
