"""Evaluation of a trained agent by its newest checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agents.evaluation.evaluate import summary_line
from agents.evaluation.judged import closing
from agents.evaluation.protocol import JudgeOptions, protocol_name
from agents.saved_policy import policy_of, read_policy
from agents.stats import counters
from cluster.workloads import settings_of_run
from training.storage.run_dir import RunDir


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Play whole games with a run's newest checkpoint; return the result, its file name and its summary line."""
    settings = settings_of_run(record)
    own = settings.evaluation
    epsilon = own.epsilon if options.epsilon is None else options.epsilon
    protocol = options.protocol or own.protocol
    asked = replace(own, protocol=protocol, epsilon=epsilon, episodes=options.episodes)
    settings = replace(settings, evaluation=asked)
    path, state = read_policy(directory, record)
    result = closing(policy_of(state, settings), settings, on_step).result
    result = {**result, **counters(path), "checkpoint": str(path)}
    return result, protocol_name(result["protocol"]), summary_line(result)
