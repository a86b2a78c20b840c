"""What can be known before anything starts of settings whose actions are torques."""

from __future__ import annotations

from agents.dqn.settings import Settings
from agents.evaluation.protocol import check_rules
from agents.parts import parts_of
from envs.registry import read_spec, require_torques
from training.device import resolve_device


def check(settings: Settings) -> int:
    """Build the smallest env of these settings, so that every mistake shows at once. Returns the bytes of replay."""
    spec = read_spec(settings.env)
    require_torques(settings.env.id, spec)
    check_rules(settings)
    parts_of(settings).make_network(settings, spec)
    settings.rows_per_lane()
    if settings.fleet.learners == 0:  # others run where the GPUs are
        resolve_device(settings.learner.device, "learner.device")
    return settings.replay_bytes(spec)
