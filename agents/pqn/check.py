"""Validation of PQN settings before a run starts."""

from __future__ import annotations

from agents.evaluation.protocol import check_rules
from agents.networks.q_network import QNetwork
from agents.pqn.settings import PqnSettings
from agents.replay.frames import require_blocks
from envs.registry import read_spec, require_frames, require_numbers
from training.device import resolve_device


def check(settings: PqnSettings) -> int:
    """Build the smallest env of these settings to find errors early; return 0, since there are no bytes of replay."""
    spec = read_spec(settings.env)
    require_frames(settings.env.id, spec)
    require_numbers(settings.env.id, spec)
    require_blocks(spec.frame_shape, spec.frame_dtype)
    check_rules(settings)
    QNetwork(settings.network, spec.frame_shape, spec.num_actions)
    resolve_device(settings.learner.device, "learner.device")
    return 0
