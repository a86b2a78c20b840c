"""How a run's policy is judged: in a sweep, in the end, and again once it is saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agents.acting.policy import Policy
from agents.dqn.stats import counters
from agents.evaluation.evaluate import evaluate_policy, summary_line
from agents.evaluation.protocol import JudgeOptions, protocol_name
from agents.parts import parts_of
from agents.saved_policy import read_policy
from agents.settings import AgentSettings
from training.run import Closing
from training.search import Judgement
from training.storage.run_dir import RunDir

THREADS = 2  # of a closing evaluation


def judgement(policy: Policy, settings: AgentSettings) -> Judgement:
    """The mean score of `evaluation.every_episodes` whole games, on one core."""
    games = settings.evaluation.every_episodes
    return Judgement(float(evaluate_policy(policy, settings, episodes=games, threads=1).scores.mean()), {})


def closing(policy: Policy, settings: AgentSettings, on_step: Callable[[float], None]) -> Closing:
    """The settings' evaluation, once nothing else runs; `on_step` as in `training.run.Run.evaluate`."""
    episodes = settings.evaluation.episodes
    result = evaluate_policy(
        policy, settings, episodes=episodes, threads=THREADS, on_step=lambda done: on_step(done / episodes)
    ).summary()
    return Closing(result["mean"], f"{result['mean']:.2f} over {result['episodes']} games", result)


def evaluate_saved(
    settings: Any, directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Whole games by the newest checkpoint of a run -> the result, its name as a file, and in a line.

    Args:
        settings: the run's, of any agent that acts by a network.
    """
    protocol = options.protocol or settings.evaluation.protocol
    asked = replace(settings.evaluation, protocol=protocol, episodes=options.episodes)
    settings = replace(settings, evaluation=asked)
    path, state = read_policy(directory, record)
    result = closing(parts_of(settings).policy_of(state, settings), settings, on_step).result
    result = {**result, **counters(path), "checkpoint": str(path)}
    return result, protocol_name(result["protocol"]), summary_line(result)
