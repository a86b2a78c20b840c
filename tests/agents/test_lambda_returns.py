"""Targets of Q(lambda) against the weighted sum of n-step returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.pqn.returns import lambda_returns

GO_ON, TERMINATED, TRUNCATED, LIFE_LOST = range(4)


class Case(NamedTuple):
    """Rows of several envs, and how each action ended."""

    reward: NDArray[np.float32]  # [T, E]
    terminal: NDArray[np.bool_]
    complete: NDArray[np.bool_]
    value: NDArray[np.float32]  # [T + 1, E]
    ended: NDArray[np.int64]  # [T, E]

    def returns(self, gamma: float, trace: float) -> NDArray[np.float32]:
        return lambda_returns(self.reward, self.terminal, self.complete, self.value, gamma, trace)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw rows as an env gives them: after an episode's end follows one row whose action is not used."""
    time, envs = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    over = draw(st.lists(st.booleans(), min_size=envs, max_size=envs))  # the row before the rollout ended an episode
    ended, complete = np.zeros((time, envs), np.int64), np.ones((time, envs), np.bool_)
    for env in range(envs):
        unused = over[env]
        for t in range(time):
            complete[t, env] = not unused
            if not unused:
                ended[t, env] = draw(st.sampled_from((GO_ON, GO_ON, TERMINATED, TRUNCATED, LIFE_LOST)))
            unused = ended[t, env] in (TERMINATED, TRUNCATED)
    terminal = (ended == TERMINATED) | (ended == LIFE_LOST)
    reward = np.where(complete, rng.normal(size=(time, envs)), 0).astype(np.float32)
    return Case(reward, terminal, complete, rng.normal(0, 3, (time + 1, envs)).astype(np.float32), ended)


def slow(case: Case, env: int, t: int, gamma: float, trace: float) -> float:
    """Return (1 - lambda) sum_n lambda^(n-1) R^(n), the rest of the weight on the longest (Peng and Williams 1996).

    R^(n) is n rewards and then the value of the next state, which is 0 after a terminal action.
    """
    found, gained, weight = 0.0, 0.0, 1.0
    for n in range(1, len(case.reward) - t + 1):
        last = t + n - 1
        gained += gamma ** (n - 1) * float(case.reward[last, env])
        final = case.ended[last, env] != GO_ON or last == len(case.reward) - 1
        bootstrap = 0.0 if case.terminal[last, env] else gamma**n * float(case.value[last + 1, env])
        found += (weight if final else weight * (1 - trace)) * (gained + bootstrap)
        weight *= trace
        if final:
            return found
    raise AssertionError("the last row is final")


@given(case=cases(), gamma=st.floats(0, 1), trace=st.floats(0, 1))
def test_they_are_the_mean_of_n_step_returns(case: Case, gamma: float, trace: float) -> None:
    """Holds for every complete row, with terminations, lost lives, truncations and resets anywhere."""
    found = case.returns(gamma, trace)
    for t, env in np.argwhere(case.complete):
        assert found[t, env] == pytest.approx(slow(case, env, t, gamma, trace), abs=1e-3)


@given(case=cases(), other=st.floats(-50, 50))
def test_nothing_comes_over_from_another_episode(case: Case, other: float) -> None:
    """Values and rewards after an episode's end change no target before it."""
    before = case.returns(0.9, 0.7)
    for env in range(case.reward.shape[1]):
        for t in np.flatnonzero(np.isin(case.ended[:, env], (TERMINATED, TRUNCATED))):
            reward, value = case.reward.copy(), case.value.copy()
            reward[t + 1 :, env] += other
            # The frame after a truncated action counts, nothing later does.
            value[t + 1 + (case.ended[t, env] == TRUNCATED) :, env] += other
            after = case._replace(reward=reward, value=value).returns(0.9, 0.7)
            assert (after[: t + 1, env] == before[: t + 1, env]).all()


def test_an_episode_by_hand() -> None:
    """Two actions, then a truncation, a reset row, and an action whose next frame is after the rollout."""
    reward = np.array([[1], [2], [0], [4]], np.float32)
    value = np.array([[50], [10], [20], [60], [30]], np.float32)
    complete = np.array([[True], [True], [False], [True]])
    found = lambda_returns(reward, np.zeros((4, 1), np.bool_), complete, value, 0.5, 0.5)
    last = 2 + 0.5 * 20
    assert found[:2, 0].tolist() == [1 + 0.5 * (0.5 * last + 0.5 * 10), last]
    assert found[3, 0] == 4 + 0.5 * 30
