"""Tabular Q-learning against its formula and exact values; exploration, reports, evaluation and settings."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.tabular.evaluate import evaluate_tabular
from agents.tabular.learner import TabularLearner, state_index
from agents.tabular.mdp import Table
from agents.tabular.run import TabularRun
from agents.tabular.settings import Algorithm, TabularSettings
from envs.base import TimeStep
from tests.exact_values import chain_q_star

ENVS, STATES, ACTIONS = 4, 3, 2
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
FLAGS = ("first", "terminated", "truncated")


def trained(settings: TabularSettings) -> TabularRun:
    """Train to the end and return the run."""
    run = TabularRun(settings, settings, Path())
    while run.clock.now < run.clock.end:
        run.step(run.clock.end)
    run.close()
    return run


def time_step(next_state: list[int], reward: list[float], **flags: list[bool]) -> TimeStep:
    """Return a step of E envs; flags not given are False."""
    no = [False] * len(next_state)
    first, terminated, truncated = (np.array(flags.get(name, no)) for name in FLAGS)
    frame = np.array(next_state, np.int64)[:, None]
    frames = (~first).astype(np.int64)
    return TimeStep(frame, np.array(reward, np.float32), first, terminated, truncated, np.array(no), frames)


indices = st.lists(st.integers(0, STATES - 1), min_size=ENVS, max_size=ENVS)
choices = st.lists(st.integers(0, ACTIONS - 1), min_size=ENVS, max_size=ENVS)
endings = st.lists(st.sampled_from(["", "first", "terminated", "truncated"]), min_size=ENVS, max_size=ENVS)
rewards = st.lists(st.floats(-20, 20, width=32), min_size=ENVS, max_size=ENVS)


@given(
    q=arrays(np.float64, (STATES, ACTIONS), elements=st.floats(-50, 50)),
    state=indices,
    action=choices,
    next_state=indices,
    reward=rewards,
    ending=endings,
    rate=st.floats(0.01, 1),
    discount=st.floats(0, 1),
)
def test_update_is_the_formula(
    q: Table,
    state: list[int],
    action: list[int],
    next_state: list[int],
    reward: list[float],
    ending: list[str],
    rate: float,
    discount: float,
) -> None:
    """C31: updates of envs in the same state follow env order; first frames change nothing."""
    expected = {(s, a): float(q[s, a]) for s in range(STATES) for a in range(ACTIONS)}
    for s, a, r, s_next, end in zip(state, action, reward, next_state, ending, strict=True):
        future = max(expected[s_next, other] for other in range(ACTIONS))
        if end == "terminated":
            future = 0.0
        if end != "first":
            expected[s, a] += rate * (r + discount * future - expected[s, a])

    settings = TabularSettings(discount=discount, learning_rate=rate, rate_decay=0.0)
    learner = TabularLearner(settings, q)
    flags = {name: [end == name for end in ending] for name in FLAGS}
    learner.update(np.array(state), np.array(action), time_step(next_state, reward, **flags))
    np.testing.assert_allclose(learner.q.ravel(), list(expected.values()), rtol=1e-9, atol=1e-9)


def test_truncation_bootstraps_and_termination_does_not() -> None:
    """C2: a truncated episode bootstraps from its last state, a terminated one does not."""
    q = np.array([[0.0, 0.0], [3.0, 5.0]])
    for flag, target in (("truncated", 1 + 0.5 * 5), ("terminated", 1.0)):
        learner = TabularLearner(TabularSettings(discount=0.5), q)
        learner.update(np.array([0]), np.array([1]), time_step([1], [1.0], **{flag: [True]}))
        assert learner.q[0].tolist() == [0.0, target]


def test_step_size_falls_with_visits_of_the_pair() -> None:
    """With n^-1 the table holds the mean of all targets of each pair, whatever its initial value was."""
    learner = TabularLearner(TabularSettings(rate_decay=1.0), np.full((2, 2), 99.0))
    for reward in (1.0, 5.0, 9.0):
        learner.update(np.array([0]), np.array([1]), time_step([1], [reward], terminated=[True]))
        assert learner.visits.sum() == learner.visits[0, 0, 1]
    np.testing.assert_allclose(learner.q, [[99.0, 5.0], [99.0, 99.0]])


def test_new_states_get_rows_of_the_initial_value() -> None:
    """A table grows when a new state is visited, and learned values stay."""
    learner = TabularLearner(TabularSettings(initial_q=7.0), np.array([[1.0, 2.0]]))
    learner.act(np.array([2, 0]), epsilon=0.0)
    assert learner.q.tolist() == [[1.0, 2.0], [7.0, 7.0], [7.0, 7.0]]
    assert learner.visits.shape == learner.tables.shape == (1, 3, 2)


def test_exploration_follows_epsilon() -> None:
    """Actions are greedy at 0; at 1 every action is equally frequent, whatever the table's values."""
    learner = TabularLearner(TabularSettings(), np.array([[0.0, 9.0, 0.0, 0.0]]))
    state = np.zeros(8_000, np.int64)
    assert (learner.act(state, epsilon=0.0) == 1).all()
    counts = np.bincount(learner.act(state, epsilon=1.0), minlength=4)
    assert (abs(counts - 2_000) < 6 * np.sqrt(8_000 * 0.25 * 0.75)).all()


CHAIN = TabularSettings(env="toy/chain", steps=8_000, num_envs=4, discount=0.9, rate_decay=0.0)


def test_chain_reaches_the_exact_values() -> None:
    """C31: the five-state chain gives Q* within 1e-3. Its last state has no actions, so no values."""
    learned = trained(CHAIN).learner.q
    np.testing.assert_allclose(learned[:4], chain_q_star(CHAIN.discount)[:4], atol=1e-3)


def test_same_seed_same_curve() -> None:
    """C29: two runs of one seed give the same reports and the same table, another seed gives others."""
    settings = TabularSettings(env="FrozenLake-v1", steps=3_000, report_every=500)
    one, two, other = (trained(replace(settings, seed=seed)) for seed in (3, 3, 4))
    assert one.records() == two.records()
    np.testing.assert_array_equal(one.learner.q, two.learner.q)
    assert not np.array_equal(one.learner.q, other.learner.q)


def test_progress_counts_what_happened() -> None:
    """Reports are report_every steps apart, within one step of all envs, and the last one is at the end."""
    settings = replace(CHAIN, steps=1_000, report_every=300)
    run = trained(settings)
    reports = run.records()
    assert len(reports) == 4
    gaps = [after.at - before.at for before, after in pairwise(reports[:-1])]
    assert all(300 <= gap < 304 for gap in gaps)
    assert 1_000 <= reports[-1].at < 1_004
    assert run.episodes > 0
    assert reports[0].scalars["acting/epsilon_mean"] > reports[-1].scalars["acting/epsilon_mean"]
    assert run.records() == []


def test_evaluation_counts_exactly_the_episodes_asked_for() -> None:
    """C23: 40 episodes are played, all with the score and lengths of the greedy policy."""
    q = trained(CHAIN).learner.q
    scores = evaluate_tabular(q, CHAIN, episodes=40)
    assert len(scores.scores) == len(scores.steps) == len(scores.frames) == 40
    assert (scores.scores == 1).all()
    assert set(scores.steps) == {1, 2, 3, 4}  # straight to the end, from each of the four starts
    assert (scores.frames == scores.steps).all()


def test_pixels_and_plain_vectors_are_no_states() -> None:
    """Numbered and one-hot states are accepted; pixels, other vectors and CartPole are refused."""
    assert state_index(np.array([[4], [0]], np.int64)).tolist() == [4, 0]
    assert state_index(np.eye(3, dtype=np.float32)[[2, 1]]).tolist() == [2, 1]
    vectors = np.array([[0.1, 0.9]]), np.array([[1.0, 1.0]]), np.zeros((2, 3))
    for frame in (np.zeros((2, 84, 84), np.uint8), *vectors):
        with pytest.raises(ValueError, match="numbered states"):
            state_index(frame)
    with pytest.raises(ValueError, match="numbered states"):
        trained(TabularSettings(env="CartPole-v1"))


WRONG = {"steps": 0, "num_envs": 0, "discount": 1.1, "epsilon": -0.1, "learning_rate": 0.0, "report_every": 0}


@pytest.mark.parametrize("name", WRONG)
def test_impossible_settings_are_refused(name: str) -> None:
    """An impossible setting is refused with a message that names it."""
    with pytest.raises(ValueError, match=name):
        TabularSettings(**{name: WRONG[name]})  # type: ignore[arg-type]
