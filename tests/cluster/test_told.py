"""RLlib's results of an iteration count that iteration only, also in the first one after a restore."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from agents.dqn.presets import catch
from agents.replay.limiter import SamplesPerInsert
from agents.stats import RunStats
from cluster.fleet.checkpoint import Checkpoints
from cluster.rllib.results import Results


@pytest.mark.parametrize("before", [0, 20_000], ids=["in a new process", "back"])
def test_the_first_iteration_after_a_restore_tells_only_its_own(before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "put", lambda value: value)
    monkeypatch.setattr(ray, "get", lambda ref, **_: ref)
    settings, stats = catch(), RunStats(agent_steps=before)
    limiter, lifetimes = SamplesPerInsert(ratio=2.0, learning_starts=0), Counter[str]()
    metrics = SimpleNamespace(log_value=lambda key, value, **_: lifetimes.update({key[-1]: value}))
    algo: Any = SimpleNamespace(stats=stats, limiter=limiter, results=Results(settings, stats, limiter))
    algo.metrics, algo._each_learner, algo._publish = metrics, lambda _: None, lambda: None
    algo.results.count(metrics)
    algo.results.fill({})
    saved = RunStats(agent_steps=9_000, updates=400, episodes=30)
    state = {"learner": {}, "stats": saved.state(), "limiter": limiter.state(), "iteration": 7}
    Checkpoints.set_state(algo, state)
    stats.agent_steps, stats.updates, stats.episodes = 9_032, 402, 31
    algo.results.count(metrics)
    result = algo.results.fill({})
    runners, learners = result["env_runners"], result["learners"]["__all_modules__"]
    assert (runners["num_env_steps_sampled"], runners["num_episodes"], runners["num_episodes_lifetime"]) == (32, 1, 31)
    assert learners["num_env_steps_trained"] == 2 * settings.learner.batch_size
    assert lifetimes["num_env_steps_sampled_lifetime"] == 9_032
    assert lifetimes["num_env_steps_trained_lifetime"] == 402 * settings.learner.batch_size
