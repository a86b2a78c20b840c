"""DecQN as a run that a session drives: the run of deep Q-learning, with other parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.decoupled.parts import make_network
from agents.decoupled.settings import DecoupledSettings
from agents.evaluation.judged import evaluate_saved
from agents.evaluation.protocol import JudgeOptions
from envs import make_env
from envs.registry import require_torques
from training.settings import from_dict
from training.storage.run_dir import RunDir


def check(settings: DecoupledSettings) -> int:
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


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Whole episodes by the newest checkpoint of a run -> the result, its name as a file, and in a line."""
    return evaluate_saved(from_dict(DecoupledSettings, record["settings"]), directory, record, options, on_step)
