"""What can be known of a PQN's settings before anything starts."""

from __future__ import annotations

from agents.evaluation.protocol import check_rules
from agents.networks.q_network import QNetwork
from agents.pqn.settings import PqnSettings
from agents.replay.frames import require_blocks
from envs import make_env
from envs.registry import require_frames, require_numbers
from training.device import resolve_device


def check(settings: PqnSettings) -> int:
    """Build the smallest env of these settings, so that every mistake shows at once. There is no replay: 0 bytes."""
    env = make_env(settings.env, 1)
    try:
        require_frames(settings.env.id, env)
        require_numbers(settings.env.id, env)
        require_blocks(env.spec.frame_shape, env.spec.frame_dtype)
        check_rules(settings)
        QNetwork(settings.network, env.spec.frame_shape, env.spec.num_actions)
    finally:
        env.close()
    resolve_device(settings.learner.device, "learner.device")
    return 0
