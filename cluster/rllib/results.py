"""Statistics of a run under the names of RLlib's DQN, for stoppers, schedulers and dashboards."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from ray.rllib.core import ALL_MODULES, DEFAULT_AGENT_ID, DEFAULT_MODULE_ID
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    LEARNER_RESULTS,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_ENV_STEPS_TRAINED_LIFETIME,
)

from agents.dqn.settings import Settings
from agents.evaluation.evaluate import Scores
from agents.replay.limiter import SamplesPerInsert
from agents.stats import RunStats
from agents.updates import UpdateStats

# Values of the newest batch, and RLlib's names for them.
LEARNED = {
    "loss": ("total_loss", "qf_loss"),
    "q_mean": ("qf_mean",),
    "td_error": ("td_error_mean",),
    "grad_norm": ("gradients_default_optimizer_global_norm",),
}


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return `name`_mean, `name`_min and `name`_max; NaN if there are no values, so that the keys always exist."""
    found = (fmean(values), min(values), max(values)) if values else (math.nan,) * 3
    return {f"{name}_{kind}": float(value) for kind, value in zip(("mean", "min", "max"), found, strict=True)}


def evaluation_results(scores: Scores) -> dict[str, Any]:
    """Return the summary of an evaluation, with RLlib's names added."""
    games = {**spread("episode_return", scores.scores.tolist()), **spread("episode_len", scores.steps.tolist())}
    summary = scores.summary()
    return {ENV_RUNNER_RESULTS: {**games, "num_episodes": summary["episodes"]}, **summary}


class Results:
    """Results of a run per call of `train()`; a transition counts as trained each time it is sampled."""

    def __init__(self, settings: Settings, stats: RunStats, limiter: SamplesPerInsert) -> None:
        self.settings, self.stats, self.limiter = settings, stats, limiter
        self.batch = settings.learner.batch_size * max(settings.fleet.learners, 1)
        self.logged, self.told = RunStats(), RunStats()  # counters at the last log and at the last result
        self.newest: dict[str, float] = {}

    def count(self, metrics: Any, learned: UpdateStats | None = None) -> None:
        """Log the steps sampled and trained since the last call; RLlib ends iterations by these metrics."""
        steps, updates = self.stats.agent_steps - self.logged.agent_steps, self.stats.updates - self.logged.updates
        sampled = (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME)
        trained = (LEARNER_RESULTS, ALL_MODULES, NUM_ENV_STEPS_TRAINED_LIFETIME)
        metrics.log_value(sampled, steps, reduce="lifetime_sum")
        metrics.log_value(trained, updates * self.batch, reduce="lifetime_sum")
        self.logged = dataclasses.replace(self.stats)
        if learned is not None and learned.updates:
            self.newest = learned.scalars

    def go_on(self, metrics: Any) -> None:
        """Continue from restored counters, so that the next iteration reports only its own steps."""
        self.count(metrics)
        self.told = dataclasses.replace(self.stats)

    def fill(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add all our statistics to an iteration's results."""
        results[ENV_RUNNER_RESULTS] = results.get(ENV_RUNNER_RESULTS, {}) | self._of_runners()
        learners = results.get(LEARNER_RESULTS, {})
        ours = self._of_learners()
        everywhere = learners.get(ALL_MODULES, {}) | ours.pop(ALL_MODULES)
        results[LEARNER_RESULTS] = {**learners, **ours, ALL_MODULES: everywhere}
        self.told = dataclasses.replace(self.stats)
        return results

    def _of_runners(self) -> dict[str, Any]:
        stats, games = self.stats, self.stats.recent
        steps = {"": stats.agent_steps - self.told.agent_steps, "_lifetime": stats.agent_steps}
        return {
            **spread("episode_return", [game.score for game in games]),
            **spread("episode_len", [float(game.steps) for game in games]),
            "num_episodes": stats.episodes - self.told.episodes,
            "num_episodes_lifetime": stats.episodes,
            "num_env_steps_sampled": steps[""],
            **{f"num_agent_steps_sampled{over}": {DEFAULT_AGENT_ID: count} for over, count in steps.items()},
            **{f"num_module_steps_sampled{over}": {DEFAULT_MODULE_ID: count} for over, count in steps.items()},
        }

    def _of_learners(self) -> dict[str, Any]:
        drawn = (self.stats.updates - self.told.updates) * self.batch
        steps = {
            "num_module_steps_trained": drawn,
            "num_module_steps_trained_lifetime": self.stats.updates * self.batch,
        }
        return {
            "num_updates_lifetime": self.stats.updates,
            "samples_per_insert": self.limiter.measured(),
            ALL_MODULES: {**steps, "num_env_steps_trained": drawn},
            DEFAULT_MODULE_ID: {
                **steps,
                **{name: self.newest.get(key, math.nan) for key, names in LEARNED.items() for name in names},
                "default_optimizer_learning_rate": self.settings.learner.learning_rate,
                "module_train_batch_size_mean": float(self.settings.learner.batch_size),
            },
        }
