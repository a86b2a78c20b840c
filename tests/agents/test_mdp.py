"""MDPs as arrays: they match the games that are played, and planning solves them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.tabular import planning
from agents.tabular.learner import state_index
from agents.tabular.mdp import LONGEST, Mdp, Table, from_outcomes, mdp_of
from agents.tabular.planning import (
    backup,
    expected_return,
    expected_score,
    greedy,
    policy_iteration,
    policy_values,
    value_iteration,
)
from envs import EnvSettings, make_env
from tests.exact_values import chain_q_star

LAKES = ("FrozenLake-v1", "FrozenLake8x8-v1", "FrozenLakeNotSlippery-v1", "FrozenLake8x8NotSlippery-v1")
GAMES = ("Taxi-v3", *LAKES, "CliffWalking-v1", "CliffWalkingSlippery-v1", "toy/chain")
SMALL = ("FrozenLake-v1", "CliffWalking-v1", "CliffWalkingSlippery-v1", "toy/chain")
DISCOUNTS = (0.0, 0.5, 0.95, 0.999)


@pytest.mark.parametrize("name", GAMES)
def test_it_is_the_game_that_is_played(name: str) -> None:
    """With random actions, every step, start and end of the game is possible in the MDP."""
    mdp, env, rng = mdp_of(name), make_env(EnvSettings(id=name), 8), np.random.default_rng(0)
    states, reachable = state_index(env.reset(3).frame), mdp.reachable()
    assert (mdp.start[states] > 0).all()
    assert env.protocol.get("time_limit", mdp.time_limit) == mdp.time_limit
    sure = np.isin(mdp.transition, (0, 1)).all()  # deterministic: rewards are the expected ones
    for _ in range(150):
        action = rng.integers(env.spec.num_actions, size=8)
        step = env.step(action)
        after, played = state_index(step.frame), ~step.first
        goes_on = mdp.transition[states, action]  # [8, S]
        share, ends = goes_on[np.arange(8), after], goes_on.sum(axis=1) < 1 - 1e-9
        assert ((share > 0) | step.terminated)[played].all()
        assert ends[played & step.terminated].all()
        if sure:
            np.testing.assert_array_equal(step.reward[played], mdp.reward[states, action][played])
        assert reachable[states[played]].all()
        assert (mdp.start[after[step.first]] > 0).all()
        states = after
    env.close()


def test_slippery_ice_goes_three_ways_alike() -> None:
    """Down from the lake's second cell leads to both sides or into the hole, with equal probability."""
    mdp = mdp_of("FrozenLake-v1")
    np.testing.assert_allclose(mdp.transition[1, 1, [0, 1, 2]], [1 / 3, 0, 1 / 3])
    np.testing.assert_allclose(mdp.transition[1, 1].sum(), 2 / 3)
    np.testing.assert_array_equal(mdp_of("FrozenLake-v1", is_slippery=False).transition[1, 2], np.eye(16)[2])
    np.testing.assert_allclose(mdp.reward[14, 1:3], 1 / 3)


def test_states_that_can_be_reached() -> None:
    """In Taxi the passenger waits at one of three places that are not the destination, or is in the taxi."""
    counts = {name: int(mdp_of(name).reachable().sum()) for name in (*GAMES[:2], "CliffWalking-v1", "toy/chain")}
    assert counts == {"Taxi-v3": 400, "FrozenLake-v1": 11, "CliffWalking-v1": 37, "toy/chain": 4}


@pytest.mark.parametrize("name", ["Blackjack-v1", "CartPole-v1", "NoSuchGame-v0"])
def test_a_game_that_tells_nothing_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ValueError, match=name) as error:
        mdp_of(name)
    assert "\n" not in str(error.value)
    assert name == "NoSuchGame-v0" or "does not tell its transitions" in str(error.value)


def test_what_no_array_could_hold_is_refused() -> None:
    many = {state: {0: [(1.0, 0, 0.0, True)]} for state in range(10_001)}
    with pytest.raises(ValueError, match="too many"):
        from_outcomes(many, np.ones(10_001), LONGEST)


def slow_values(mdp: Mdp, policy: Table, discount: float) -> list[float]:
    """Return a policy's values by sweeps of its Bellman equation, one state after the other, until they settle."""
    states, actions = mdp.reward.shape
    value, change = [0.0] * states, 1.0
    while change > 1e-12:
        change = 0.0
        for s in range(states):
            new = 0.0
            for a in range(actions):
                future = sum(float(mdp.transition[s, a, after]) * value[after] for after in range(states))
                new += float(policy[s, a]) * (float(mdp.reward[s, a]) + discount * future)
            change, value[s] = max(change, abs(new - value[s])), new
    return value


@st.composite
def processes(draw: Any) -> tuple[Mdp, Table]:
    """Draw a small process with some termination, and a policy for it."""
    states, actions = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    chances = rng.dirichlet(np.full(states + 1, 0.5), size=(states, actions))
    mdp = Mdp(chances[..., :states], rng.normal(size=(states, actions)), rng.dirichlet(np.ones(states)), time_limit=5)
    return mdp, rng.dirichlet(np.ones(actions), size=states)


@given(processes(), st.sampled_from([0.0, 0.3, 0.9]))
def test_values_of_a_policy_solve_its_bellman_equation(given: tuple[Mdp, Table], discount: float) -> None:
    mdp, policy = given
    value = policy_values(mdp, policy, discount)
    np.testing.assert_allclose(value, slow_values(mdp, policy, discount), atol=1e-9)
    assert expected_return(mdp, policy, discount) == pytest.approx(float(mdp.start @ value))


@given(processes(), st.sampled_from(DISCOUNTS))
def test_planning_finds_the_best_of_all_policies(given: tuple[Mdp, Table], discount: float) -> None:
    """Both methods agree and solve the optimality equation; no deterministic or given policy has higher values."""
    mdp, other = given
    q, howard = value_iteration(mdp, discount), policy_iteration(mdp, discount)
    np.testing.assert_allclose(q, howard, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(q, backup(mdp, q.max(axis=1), discount), rtol=1e-9, atol=1e-9)
    best = q.max(axis=1)
    np.testing.assert_allclose(best, policy_values(mdp, greedy(q), discount), rtol=1e-8, atol=1e-8)
    states, actions = q.shape
    choices = np.stack(np.meshgrid(*[np.arange(actions)] * states, indexing="ij"), axis=-1).reshape(-1, states)
    everything = np.array([policy_values(mdp, np.eye(actions)[choice], discount) for choice in choices])
    np.testing.assert_allclose(everything.max(axis=0), best, rtol=1e-8, atol=1e-8)
    exact = howard.max(axis=1)  # value iteration stops at a relative precision, and values of hundreds occur
    assert (policy_values(mdp, other, discount) <= exact + 1e-8).all()
    if discount == 0:
        np.testing.assert_array_equal(q, mdp.reward)


@given(processes(), st.floats(0, 1))
def test_planning_for_who_explores(given: tuple[Mdp, Table], epsilon: float) -> None:
    """The table holds the values of its epsilon-greedy policy, and no policy that explores as often has higher ones."""
    mdp, other = given
    q = value_iteration(mdp, 0.9, epsilon)
    value = policy_values(mdp, greedy(q, epsilon), 0.9)
    np.testing.assert_allclose(backup(mdp, value, 0.9), q, atol=1e-8)
    rival = (1 - epsilon) * other + epsilon / other.shape[1]
    assert (policy_values(mdp, rival, 0.9) <= value + 1e-8).all()


def enumerated(mdp: Mdp, policy: Table, state: int, steps: int) -> float:
    """Return the expected sum of rewards of `steps` actions from a state, by enumeration of all paths."""
    total = 0.0
    for action, chance in enumerate(policy[state] if steps else []):
        ahead = [float(p) * enumerated(mdp, policy, s, steps - 1) for s, p in enumerate(mdp.transition[state, action])]
        total += float(chance) * (float(mdp.reward[state, action]) + sum(ahead))
    return total


@given(processes(), st.integers(0, 3))
def test_the_score_of_an_episode_is_the_mean_over_all_its_ways(given: tuple[Mdp, Table], limit: int) -> None:
    mdp, policy = given[0]._replace(time_limit=limit), given[1]
    each = [float(p) * enumerated(mdp, policy, s, limit) for s, p in enumerate(mdp.start)]
    assert expected_score(mdp, policy) == pytest.approx(sum(each), abs=1e-9)
    assert expected_return(mdp, policy, 1.0) == expected_score(mdp, policy)


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("name", SMALL)
def test_games_are_solved_by_both(name: str, discount: float) -> None:
    mdp = mdp_of(name)
    q = value_iteration(mdp, discount)
    np.testing.assert_allclose(q, policy_iteration(mdp, discount), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(q.max(axis=1), policy_values(mdp, greedy(q), discount), rtol=1e-8, atol=1e-8)


def test_known_values() -> None:
    """The chain's by formula, minus the steps to the cliff's goal, and the lake's optimal score by Gymnasium."""
    np.testing.assert_allclose(value_iteration(mdp_of("toy/chain"), 0.9), chain_q_star(0.9), atol=1e-12)
    cliff = mdp_of("CliffWalking-v1")
    assert cliff.start @ value_iteration(cliff, 1.0).max(axis=1) == -13
    lake = mdp_of("FrozenLake-v1")
    assert expected_score(lake, greedy(value_iteration(lake, 0.99))) == pytest.approx(0.74, abs=0.005)


def test_taxi_is_solved_by_both() -> None:
    mdp = mdp_of("Taxi-v3")
    q = value_iteration(mdp, 0.99)
    np.testing.assert_allclose(q, policy_iteration(mdp, 0.99), atol=1e-9)
    assert expected_return(mdp, greedy(q), 0.99) == pytest.approx(float(mdp.start @ q.max(axis=1)))


def test_values_that_do_not_exist_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """At discount 1: the values of a policy that may never end, and optimal values if a policy gains for ever."""
    endless = Mdp(np.ones((1, 1, 1)), np.ones((1, 1)), np.ones(1), time_limit=7)
    with pytest.raises(ValueError, match="discount is 1"):
        policy_values(endless, np.ones((1, 1)), 1.0)
    assert expected_return(endless, np.ones((1, 1)), 1.0) == 7
    monkeypatch.setattr(planning, "SWEEPS", 1_000)
    with pytest.raises(ValueError, match="do not settle at discount 1"):
        value_iteration(endless, 1.0)
    assert value_iteration(endless, 0.5)[0, 0] == pytest.approx(2)
