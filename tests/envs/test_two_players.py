"""One side of a two-player game as an env: sides, rewards, points, opponents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from envs.base import EnvSpec
from envs.two_players import OpponentEnv, TwoPlayerStep, checked_actions

LENGTH = 4  # steps of a game


class Told:
    """A two-player game whose frames hold env, player, game, step and last own action."""

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.spec = EnvSpec((5,), np.dtype(np.float32), Discrete(6))
        self.protocol = {"suite": "told"}
        self.game, self.at = np.full(num_envs, -1), np.full(num_envs, LENGTH)

    def reset(self, seed: int) -> TwoPlayerStep:
        self.at[:] = LENGTH
        return self.step(np.zeros((self.num_envs, 2), np.int64))

    def step(self, actions: NDArray[Any]) -> TwoPlayerStep:
        actions = checked_actions(actions, self.num_envs, 6)
        first = self.at == LENGTH
        self.game, self.at = self.game + first, np.where(first, 0, self.at + 1)
        frame = np.empty((self.num_envs, 2, 5), np.float32)
        for player in (0, 1):
            told = np.arange(self.num_envs), np.full(self.num_envs, player), self.game, self.at, actions[:, player]
            frame[:, player] = np.stack(told, axis=1)
        # Player A's reward is the own action, B's three times the own action: not a zero-sum game.
        reward = np.where(first[:, None], 0, actions * [1, 3]).astype(np.float32)
        nothing = np.zeros(self.num_envs, np.bool_)
        return TwoPlayerStep(frame, reward, first, self.at == LENGTH, nothing, np.where(first, 0, 1))

    def render(self) -> NDArray[np.uint8]:
        return np.zeros((1, 1, 3), np.uint8)

    def close(self) -> None:
        """Do nothing."""


class Noted:
    """Opponents that answer with an action set by the env index, and record their inputs."""

    name = "noted"

    def start(self, seed: int, num_envs: int) -> None:
        self.seen: list[tuple[NDArray[Any], NDArray[np.bool_]]] = []
        self.ended: list[tuple[int, float]] = []

    def answer(self, frame: NDArray[Any], first: NDArray[np.bool_]) -> NDArray[np.int64]:
        self.seen.append((frame, first))
        return np.arange(len(first)) % 6

    def over(self, env: int, points: float) -> None:
        self.ended.append((env, points))


@given(st.integers(1, 4), st.integers(0, 1000), st.lists(st.integers(0, 5), min_size=12, max_size=12))
def test_each_side_sees_and_gains_its_own(num_envs: int, seed: int, actions: list[int]) -> None:
    opponents = Noted()
    env = OpponentEnv(Told(num_envs), opponents)
    step, points = env.reset(seed), np.zeros(num_envs)
    for action in actions:
        side = step.frame[:, 1]
        mine = np.full(num_envs, action)
        before, step = step, env.step(mine)
        np.testing.assert_array_equal(opponents.seen[-1][0][:, 1], 1 - side)
        np.testing.assert_array_equal(opponents.seen[-1][0][:, [0, 2, 3]], before.frame[:, [0, 2, 3]])
        np.testing.assert_array_equal(opponents.seen[-1][1], before.first)
        going = ~step.first
        np.testing.assert_array_equal(step.frame[going, 1], side[going])  # sides do not change within a game
        np.testing.assert_array_equal(step.frame[going, 4], mine[going])
        np.testing.assert_array_equal(step.reward[going], (mine * np.where(side, 3, 1))[going])
        theirs = (np.arange(num_envs) % 6) * np.where(side, 1, 3)
        points = np.where(step.first, 0, points + step.reward - theirs)
        over = np.flatnonzero(step.terminated)
        assert opponents.ended[len(opponents.ended) - len(over) :] == [(int(e), points[e]) for e in over]


def test_the_sign_of_a_game_of_zero_sum_says_who_has_won() -> None:
    """With `zero_sum`, rewards are half the difference of points; own rewards alone are positive for losers too."""
    one, other = (OpponentEnv(Told(8), Noted(), zero_sum=zero_sum) for zero_sum in (False, True))
    own, ahead = one.reset(3), other.reset(3)
    scores = np.zeros((2, 8))
    for _ in range(LENGTH):
        own, ahead = one.step(np.full(8, 2)), other.step(np.full(8, 2))
        scores += own.reward, ahead.reward
    assert ahead.reward.dtype == np.float32
    assert (scores[0] > 0).all()
    ended = other.opponents.ended
    assert [env for env, _ in ended] == [*range(8)]
    np.testing.assert_array_equal(scores[1], [points / 2 for _, points in ended])
    assert (np.sign(scores[1]) < 0).any(), "whoever has fewer points has lost"


def test_both_sides_are_drawn_by_the_seed() -> None:
    def sides(seed: int) -> NDArray[Any]:
        env = OpponentEnv(Told(20), Noted())
        seen = [env.reset(seed)] + [env.step(np.zeros(20, np.int64)) for _ in range(4 * (LENGTH + 1))]
        return np.stack([step.frame[:, 1] for step in seen if step.first.all()])

    one = sides(0)
    assert one.shape == (5, 20)
    assert 0.3 < one.mean() < 0.7
    assert (one[1:] != one[:-1]).any(0).all(), "nobody keeps a side for good"
    np.testing.assert_array_equal(one, sides(0))
    assert (one != sides(1)).any()


def test_actions_of_both_players_are_checked() -> None:
    fine = checked_actions(np.array([[0, 5]]), 1, 6)
    assert fine.dtype == np.int64
    for bad in ([[0, 6]], [[-1, 0]], [[0.0, 1.0]], [0, 1], [[0, 1], [0, 1]]):
        with pytest.raises(ValueError, match="give"):
            checked_actions(np.array(bad), 1, 6)


def test_an_action_before_the_first_game_is_refused() -> None:
    with pytest.raises(RuntimeError, match="never reset"):
        OpponentEnv(Told(1), Noted()).step(np.zeros(1, np.int64))
