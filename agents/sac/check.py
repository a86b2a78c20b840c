"""What can be known of CrossQ's settings before anything starts."""

from __future__ import annotations

from agents.sac.parts import make_network
from agents.sac.settings import SacSettings
from envs import make_env
from envs.registry import require_torques


def check(settings: SacSettings) -> int:
    """Build the smallest env of these settings, so that every mistake shows at once. Returns the bytes of replay."""
    env = make_env(settings.env, 1)
    try:
        require_torques(settings.env.id, env)
    finally:
        env.close()
    make_network(settings, env.spec)
    settings.rows_per_lane()
    if settings.fleet.learners == 0:  # others run where the GPUs are
        settings.learner.resolve_device()
    return settings.replay_bytes(env.spec)
