"""Validation of the settings of agents that output torques, before a run starts."""

from __future__ import annotations

from agents.dqn.check import require_device
from agents.dqn.settings import Settings
from agents.evaluation.protocol import check_rules
from agents.parts import parts_of
from envs.registry import read_spec, require_torques


def check(settings: Settings) -> int:
    """Build the smallest env of these settings, to find errors early. Returns the bytes of replay."""
    spec = read_spec(settings.env)
    require_torques(settings.env.id, spec)
    check_rules(settings)
    parts_of(settings).make_network(settings, spec)
    settings.rows_per_lane()
    needed = settings.replay_bytes(spec)
    require_device(settings, needed)
    return needed
