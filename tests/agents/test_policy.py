"""Exploration: C18."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.acting.exploration import (
    ExplorationSettings,
    epsilon_greedy,
    epsilons,
    final_epsilons,
    greedy_epsilon,
    random_actions,
)
from agents.acting.policy import QPolicy
from agents.dqn.presets import PRESETS

finals = st.floats(0.0, 1.0)


def test_c18_the_ladder_is_that_of_the_paper() -> None:
    """C18: epsilon_i = 0.4^(1 + 7 i / (N - 1)), for 360 actors from 0.4 to 0.4^8 = 0.00066."""
    ladder = final_epsilons(ExplorationSettings(final=0.4, ladder=7.0), 360)
    for i in (0, 1, 180, 358, 359):
        assert ladder[i] == pytest.approx(0.4 ** (1 + 7 * i / 359))
    assert ladder[-1] == pytest.approx(0.00065536)
    assert (np.diff(ladder) < 0).all()
    assert final_epsilons(ExplorationSettings(final=0.4, ladder=7.0), 1) == [0.4]


def test_c18_the_schedule_runs_on_the_steps_of_the_whole_fleet() -> None:
    """C18: linear from start to each lane's own end over anneal_steps, then flat."""
    settings = ExplorationSettings(start=1.0, final=0.2, ladder=1.0, anneal_steps=1000)
    end = final_epsilons(settings, 3)
    assert epsilons(settings, 3, 0).tolist() == [1.0] * 3
    np.testing.assert_allclose(epsilons(settings, 3, 250), 1.0 + 0.25 * (end - 1.0))
    for steps in (1000, 1001, 10**9):
        np.testing.assert_array_equal(epsilons(settings, 3, steps), end)


@given(final=finals, ladder=st.floats(0, 8), lanes=st.integers(1, 64), anneal=st.integers(1, 10**6))
def test_c18_c22_the_greediest_lane_of_any_ladder_counts_as_greedy_in_the_end(
    final: float, ladder: float, lanes: int, anneal: int
) -> None:
    """C22: rounding never leaves the annealed epsilon of the greediest lane above the greedy threshold."""
    exploration = ExplorationSettings(final=final, ladder=ladder, anneal_steps=anneal)
    end = epsilons(exploration, lanes, anneal)
    assert end.min() <= greedy_epsilon(exploration, lanes)
    assert greedy_epsilon(exploration, lanes) == max(0.02, end.min())
    assert ((end >= 0) & (end <= 1)).all()


class Given(QPolicy):
    """A policy with fixed action values for every observation."""

    stack = 1

    def __init__(self, q: NDArray[np.float32]) -> None:
        self.q = q

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        return self.q


def acted(q: NDArray[np.float32], epsilon: NDArray[np.float64], rng: np.random.Generator) -> NDArray[Any]:
    """Return the actions [E] of one time step with values q [E, A]."""
    policy, lanes = Given(q), len(q)
    frame, first = np.zeros((lanes, 1, 1), np.float32), np.ones(lanes, np.bool_)
    return policy.act(frame, first, policy.start(lanes), epsilon_greedy(epsilon, rng)).action


def test_epsilon_greedy_explores_as_often_as_it_says() -> None:
    """A random action is uniform over all, the greedy one included: 1 - eps + eps / A of the actions are greedy."""
    rng, lanes = np.random.default_rng(0), 40_000
    q = np.tile(np.array([0.0, 3.0, 1.0, 2.0], np.float32), (lanes, 1))
    for epsilon in (0.0, 0.3, 1.0):
        counts = np.bincount(acted(q, np.full(lanes, epsilon), rng), minlength=4)
        expected = lanes * (epsilon / 4 + (1 - epsilon) * np.array([0, 1, 0, 0]))
        deviation = np.sqrt(np.maximum(expected * (1 - expected / lanes), 1e-9))
        assert (np.abs(counts - expected) <= 4 * deviation + 1e-3).all()


def test_all_of_many_actions_are_explored() -> None:
    drawn = random_actions(np.ones(5_000), 60_000, np.random.default_rng(0))
    assert drawn.min() >= 0
    assert drawn.max() > 59_000


def test_every_lane_has_its_own_epsilon_and_best_action() -> None:
    q = np.eye(3, dtype=np.float32)[[2, 0, 1]]
    rng = np.random.default_rng(1)
    drawn = np.array([acted(q, np.array([0.0, 1.0, 0.0]), rng) for _ in range(300)])
    assert set(drawn[:, 0]) == {2}
    assert set(drawn[:, 1]) == {0, 1, 2}
    assert set(drawn[:, 2]) == {1}


def test_random_numbers_are_used_alike_whatever_epsilon() -> None:
    """The generator's state after acting depends on neither epsilon nor values, so a resumed run draws the same."""
    q, one, other = np.zeros((5, 4), np.float32), np.random.default_rng(3), np.random.default_rng(3)
    acted(q, np.zeros(5), one)
    acted(q + 1, np.ones(5), other)
    assert one.bit_generator.state == other.bit_generator.state


@pytest.mark.parametrize(("preset", "lanes", "least"), [("pong", 21, 0.02), ("atari", 32, 0.1), ("cartpole", 5, 0.02)])
def test_the_lanes_at_low_epsilon_are_as_many_as_the_documents_say(preset: str, lanes: int, least: float) -> None:
    """Exactly so many lanes end at the greedy epsilon; their games give the score that `--score` stops at."""
    settings = PRESETS[preset]()
    assert greedy_epsilon(settings.exploration, settings.fleet.lanes) == least
    ends = epsilons(settings.exploration, settings.fleet.lanes, settings.exploration.anneal_steps)
    assert (ends <= least).sum() == lanes
