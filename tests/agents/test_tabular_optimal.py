"""The learned policies against the optimal ones, found by value iteration on Gymnasium's own model."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import pytest

from agents.tabular.q_learning import Table
from agents.tabular.settings import taxi
from tests.agents.test_tabular import trained


class Model(NamedTuple):
    """Gymnasium's own transition model of a toy text game. Nothing follows termination."""

    next_state: Table  # [S, A, S] probabilities
    reward: Table  # [S, A] expected
    start: Table  # [S] probabilities
    max_steps: int


def model_of(env_id: str) -> Model:
    """Read the model of `env_id` from its table P."""
    env = gym.make(env_id)
    table, spec = env.unwrapped.P, env.spec  # type: ignore[attr-defined]
    assert spec is not None
    assert spec.max_episode_steps is not None
    next_state = np.zeros((len(table), len(table[0]), len(table)))
    reward = np.zeros(next_state.shape[:2])
    for state, actions in table.items():
        for action, outcomes in actions.items():
            for probability, after, gain, terminated in outcomes:
                reward[state, action] += probability * gain
                next_state[state, action, after] += probability * (not terminated)
    start = np.asarray(env.unwrapped.initial_state_distrib, dtype=np.float64)  # type: ignore[attr-defined]
    return Model(next_state, reward, start, spec.max_episode_steps)


def optimal_q(model: Model, discount: float) -> Table:
    """Value iteration to its fixed point: Q* [S, A]."""
    q, change = np.zeros_like(model.reward), np.inf
    while change > 1e-13:
        before, q = q, model.reward + discount * model.next_state @ q.max(axis=1)
        change = np.abs(q - before).max()
    return q


def policy_return(model: Model, q: Table, discount: float) -> float:
    """Exact discounted return of the policy that is greedy in `q` [S, A], by policy evaluation."""
    states, policy = np.arange(len(q)), q.argmax(axis=1)
    system = np.eye(len(q)) - discount * model.next_state[states, policy]
    return float(model.start @ np.linalg.solve(system, model.reward[states, policy]))


def score(model: Model, q: Table) -> float:
    """Exact expected score of one episode: undiscounted, cut at the game's time limit."""
    states, policy = np.arange(len(q)), q.argmax(axis=1)
    value = np.zeros(len(q))
    for _ in range(model.max_steps):
        value = model.reward[states, policy] + model.next_state[states, policy] @ value
    return float(model.start @ value)


@pytest.mark.slow
@pytest.mark.parametrize("env", ["Taxi-v3", "FrozenLake-v1"])
def test_greedy_policy_is_optimal(env: str) -> None:
    """C31: with the preset, the exact return of the learned policy is that of value iteration's."""
    settings = replace(taxi(), env=env)
    model = model_of(env)
    learned, best = trained(settings).learner.q, optimal_q(model, settings.discount)
    learned = np.concatenate([learned, np.zeros((len(best) - len(learned), best.shape[1]))])
    optimum = policy_return(model, best, settings.discount)
    assert policy_return(model, learned, settings.discount) == pytest.approx(optimum, abs=1e-3)
    assert score(model, learned) == pytest.approx(score(model, best), abs=1e-3)
