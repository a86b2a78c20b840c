"""Games that choose weights or settings, and games that judge what was chosen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from agents.evaluation.games import Games
from agents.evaluation.judged import closing, judgement
from agents.tabular.run import TabularRun
from agents.tabular.settings import TabularSettings
from cluster.fleet.evaluator import Evaluator
from envs import make_env
from envs.base import BatchedEnv, EnvSettings, TimeStep
from tests.cluster.helpers import catch_settings
from tests.specs import spec_of
from training.arrays import arrays_of


def test_games_that_choose_are_not_those_that_judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither their seeds nor their random actions: beside training, in a sweep, and in a sweep of tables."""
    played, drawn = list[set[int]](), list[int]()

    def spied(rules: EnvSettings, num_envs: int) -> BatchedEnv:
        env = make_env(rules, num_envs)
        reset = env.reset

        def seen(seed: int) -> TimeStep:
            played.append(set(range(seed, seed + num_envs)))
            return reset(seed)

        env.reset = seen  # type: ignore[method-assign]
        return env

    class Spied(Games):
        def __init__(self, *arguments: Any, seed: int, **options: Any) -> None:
            drawn.append(seed)
            super().__init__(*arguments, seed=seed, **options)

    monkeypatch.setattr("agents.evaluation.evaluate.Games", Spied)
    monkeypatch.setattr("agents.evaluation.evaluate.make_env", spied)
    monkeypatch.setattr("agents.tabular.evaluate.make_env", spied)
    monkeypatch.setattr(os, "nice", lambda increment: increment)
    run = catch_settings()
    beside = Evaluator(run, spec_of((84, 84), 3))
    beside.evaluate(arrays_of(beside.policy.network), 0)
    judgement(beside.policy, run)
    closing(beside.policy, run, lambda share: None)
    assert played[0] == played[1]
    assert not played[0] & played[2]
    assert drawn[0] == drawn[1] != drawn[2]
    chain = TabularSettings(env="toy/chain", steps=16)
    table = TabularRun(chain, chain, tmp_path)
    table.step(16)
    table.judge()
    table.evaluate(lambda share: None)
    assert not played[3] & played[4]
