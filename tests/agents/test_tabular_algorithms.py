"""SARSA, double Q-learning and learning from random actions against their formulas and known results."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.tabular.learner import Indices, TabularLearner
from agents.tabular.mdp import Table, mdp_of
from agents.tabular.planning import expected_score, greedy, value_iteration
from agents.tabular.run import TabularRun
from agents.tabular.settings import Algorithm, TabularSettings, cliffwalking
from envs.base import TimeStep
from tests.agents.test_tabular import (
    ACTIONS,
    ALGORITHMS,
    CHAIN,
    FLAGS,
    STATES,
    choices,
    endings,
    indices,
    rewards,
    time_step,
    trained,
)
from tests.exact_values import chain_q_star

tables = arrays(np.float64, (2, STATES, ACTIONS), elements=st.floats(-50, 50))


def learned(learner: TabularLearner, given: tuple[Any, ...], ending: list[str], next_action: Any = None) -> Table:
    """Return the tables [T, S, A] after one step of all envs."""
    state, action, next_state, reward = given
    flags = {name: [end == name for end in ending] for name in FLAGS}
    learner.update(np.array(state), np.array(action), time_step(next_state, reward, **flags), next_action)
    return learner.tables


@given(tables, st.tuples(indices, choices, indices, rewards), endings, choices, st.floats(0, 1))
def test_sarsa_is_the_formula(q: Table, given: Any, ending: list[str], next_action: list[int], discount: float) -> None:
    """SARSA bootstraps from the action actually taken next, even if another has a higher value."""
    expected = q[0].tolist()
    for s, a, s_next, r, end, a_next in zip(*given, ending, next_action, strict=True):
        if end != "first":
            future = 0.0 if end == "terminated" else expected[s_next][a_next]
            expected[s][a] += 0.25 * (r + discount * future - expected[s][a])
    settings = TabularSettings(algorithm="sarsa", discount=discount, learning_rate=0.25, rate_decay=0.0)
    found = learned(TabularLearner(settings, q[0]), given, ending, np.array(next_action))
    np.testing.assert_allclose(found, [expected], rtol=1e-9, atol=1e-9)


@given(tables, st.tuples(indices, choices, indices, rewards), endings, st.integers(0, 99))
def test_double_q_is_the_formula(q: Table, given: Any, ending: list[str], seed: int) -> None:
    """A random one of two tables is updated: it chooses the next action, and the other table gives its value."""
    settings = TabularSettings(algorithm="double_q", discount=0.5, learning_rate=0.25, rate_decay=0.0, seed=seed)
    learner = TabularLearner(settings, q[0])
    learner.tables = q.copy()
    coins, both = np.random.default_rng(seed).integers(2, size=len(ending)), q.tolist()
    for s, a, s_next, r, end, coin in zip(*given, ending, coins, strict=True):
        if end != "first":
            mine, other = both[coin], both[1 - coin]
            best = max(range(ACTIONS), key=mine[s_next].__getitem__)
            future = 0.0 if end == "terminated" else other[s_next][best]
            mine[s][a] += 0.25 * (r + 0.5 * future - mine[s][a])
    np.testing.assert_allclose(learned(learner, given, ending), both, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(learner.q, (np.array(both[0]) + both[1]) / 2)


def test_double_q_counts_visits_of_each_table() -> None:
    """Double Q-learning counts visits per table, and acts by the tables' mean."""
    learner = TabularLearner(TabularSettings(algorithm="double_q", initial_q=3.0), np.empty((0, 2)))
    for _ in range(50):
        learner.update(np.array([0]), np.array([1]), time_step([1], [1.0], terminated=[True]))
    one, two = learner.visits[:, 0, 1]
    assert (one + two, min(one, two) > 0) == (50, True)
    learner.tables[:, 0] = [[0.0, 2.0], [9.0, 2.0]]
    assert learner.act(np.zeros(3, np.int64), epsilon=0.0).tolist() == [0, 0, 0]
    assert learner.values(np.array([0])).tolist() == [[4.5, 2.0]]


def watched(settings: TabularSettings, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], list[Any]]:
    """Return the actions that a run takes, and the next actions that its updates use."""
    run, taken, told = TabularRun(settings, settings, Path()), list[Any](), list[Any]()
    step, update = run.env.step, run.learner.update

    def watched_step(action: Indices) -> TimeStep:
        taken.append(action)
        return step(action)

    def watched_update(*given: Any) -> None:
        told.append(given[3])
        update(*given)

    monkeypatch.setattr(run.env, "step", watched_step)
    monkeypatch.setattr(run.learner, "update", watched_update)
    run.step(settings.steps)
    run.close()
    return taken, told


LAKE = TabularSettings(env="FrozenLake-v1", steps=800, report_every=800)


def test_sarsa_takes_the_actions_that_it_has_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, told = watched(replace(LAKE, algorithm="sarsa"), monkeypatch)
    np.testing.assert_array_equal(taken[1:], told[:-1])


def test_random_tries_all_actions_alike_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, told = watched(replace(LAKE, algorithm="random", epsilon=0.0, final_epsilon=0.0), monkeypatch)
    counts = np.bincount(np.concatenate(taken), minlength=4)
    assert (abs(counts - counts.mean()) < 6 * np.sqrt(counts.mean())).all()
    assert set(told) == {None}


@pytest.mark.parametrize("algorithm", ALGORITHMS[1:])
def test_each_learns_the_chain(algorithm: Algorithm) -> None:
    """With a final epsilon of 0, each algorithm comes within 2e-3 of the chain's exact values."""
    learner = trained(replace(CHAIN, algorithm=algorithm, final_epsilon=0.0)).learner
    np.testing.assert_allclose(learner.q[:4].max(axis=1), chain_q_star(CHAIN.discount)[:4, 1], atol=2e-3)


def test_q_learning_walks_the_edge_and_sarsa_keeps_away() -> None:
    """Sutton and Barto, example 6.6: with a constant epsilon of 0.1, SARSA's path is longer and has the better score;
    value iteration with the same epsilon finds a path of the same length."""
    settings = replace(cliffwalking(), steps=20_000, epsilon=0.1, final_epsilon=0.1, learning_rate=0.1)
    mdp = mdp_of(settings.env)
    edge, away = (trained(replace(settings, algorithm=name)).learner.q for name in ("q_learning", "sarsa"))
    assert expected_score(mdp, greedy(edge)) == pytest.approx(-13)
    careful = value_iteration(mdp, 1.0, epsilon=0.1)
    assert expected_score(mdp, greedy(away)) == pytest.approx(expected_score(mdp, greedy(careful))) == -15
    assert expected_score(mdp, greedy(away, 0.1)) > expected_score(mdp, greedy(edge, 0.1)) + 20


def test_q_learning_is_what_it_was() -> None:
    """Q-learning gives the table of commit 221c810, to the last bit."""
    settings = TabularSettings(env="FrozenLake-v1", steps=3_000, report_every=500, seed=3)
    q = trained(replace(settings, learning_rate=0.25, rate_decay=0.0)).learner.q
    assert sha256(q.tobytes()).hexdigest()[:16] == "5f4becacd7922b5a"
