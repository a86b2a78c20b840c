"""Evaluation of a run's policy for a sweep and at the end of training."""

from __future__ import annotations

from collections.abc import Callable

from agents.acting.policy import Policy
from agents.evaluation.evaluate import evaluate_policy
from agents.evaluation.protocol import beside
from agents.settings import AgentSettings
from training.run import Closing
from training.search import Judgement, Metric

THREADS = 2  # of a closing evaluation
CLOSING = "evaluation/closing_score_mean"  # TensorBoard tag of the closing evaluation's mean score
SCORE = Metric("score", "max", worst=-1e6)  # objective of sweeps
FIXED = ("env.id", "env.frame_skip", "env.full_actions", "evaluation.")  # else scores are incomparable


def judgement(policy: Policy, settings: AgentSettings) -> Judgement:
    """Return the mean score of `evaluation.every_episodes` whole games, on one core; other games than `closing`'s."""
    games = settings.evaluation.every_episodes
    return Judgement(float(evaluate_policy(policy, beside(settings), episodes=games, threads=1).scores.mean()), {})


def closing(policy: Policy, settings: AgentSettings, on_step: Callable[[float], None]) -> Closing:
    """Run the closing evaluation, when nothing else runs; `on_step` as in `training.run.Run.evaluate`."""
    episodes = settings.evaluation.episodes
    result = evaluate_policy(
        policy, settings, episodes=episodes, threads=THREADS, on_step=lambda done: on_step(done / episodes)
    ).summary()
    return Closing(result["mean"], f"{result['mean']:.2f} over {result['episodes']} games", result)
