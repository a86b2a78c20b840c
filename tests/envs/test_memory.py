"""Envs that need memory: frames, scores with and without memory, and exact values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from envs import EnvSettings, TimeStep, make_env
from envs.memory import FORWARD, LEFT, RIGHT, STILL, RepeatPrevious, StatelessCartPole, TMaze
from envs.vector import GymnasiumEnv
from tests.exact_values import tmaze_q_star

LENGTH = 5


def walk(env: TMaze, turn: NDArray[np.int64], games: int) -> list[float]:
    """Return the scores of players that walk forward, and turn to the arm `turn` [E] at the junction."""
    scores: list[float] = []
    step = env.reset(0)
    total = np.zeros(env.num_envs)
    while len(scores) < games:
        step = env.step(np.where(step.frame[:, 3] == 1, turn, FORWARD))
        total = np.where(step.first, 0, total + step.reward)
        scores += total[step.terminated].tolist()
    return scores


def test_without_the_cue_every_way_to_turn_is_worth_a_half() -> None:
    for turn in (LEFT, RIGHT):
        scores = walk(TMaze(64, LENGTH), np.full(64, turn), 2_000)
        assert set(scores) == {0.0, 1.0}
        assert np.mean(scores) == pytest.approx(0.5, abs=0.04)


def test_the_cue_is_shown_in_the_first_cell_alone_and_tells_all() -> None:
    """From the second cell on, frames do not depend on the cue, and turning by the cue earns 1."""
    env = TMaze(256, LENGTH)
    first = env.reset(3).frame
    cue = first[:, :2].argmax(1) + LEFT
    assert set(cue) == {LEFT, RIGHT}
    for place in range(1, LENGTH + 1):
        step = env.step(np.full(256, FORWARD))
        assert (step.frame == np.eye(4)[3 if place == LENGTH else 2]).all()
        assert (step.reward == 0).all()
    step = env.step(cue)
    assert step.terminated.all()
    assert (step.reward == 1).all()


def test_what_does_not_move_costs_and_dawdlers_are_cut() -> None:
    env = TMaze(2, LENGTH)
    env.reset(0)
    steps = [env.step(np.array([LEFT, FORWARD])) for _ in range(4 * (LENGTH + 1))]
    stacked = TimeStep._make(np.stack(field) for field in zip(*steps, strict=True))
    assert (stacked.reward[:, 0] == np.float32(STILL)).all()
    assert (stacked.reward[LENGTH:, 1] == np.float32(STILL)).all(), "the wall behind the junction"
    assert stacked.truncated[-1].all()
    assert not stacked.truncated[:-1].any()
    assert not stacked.terminated.any()


@given(st.integers(1, 60), st.floats(0.1, 0.999))
def test_the_best_values_solve_the_bellman_equation(length: int, discount: float) -> None:
    q_star = tmaze_q_star(length, discount)
    value = q_star.max(1)
    for place in range(length):
        ways = [discount * value[place + 1], STILL + discount * value[place], STILL + discount * value[place]]
        np.testing.assert_allclose(q_star[place], ways)
    np.testing.assert_allclose(q_star[length], [STILL + discount, 1.0, 0.0])


def test_the_maze_is_drawn() -> None:
    env = make_env(EnvSettings(id="toy/tmaze-50"), 1)
    env.reset(0)
    before = env.render()
    env.step(np.array([FORWARD]))
    assert before.shape == (204, 204, 3)
    assert 0 < (env.render() != before).any(2).sum() == 2 * 16, "the player moved by a cell"


@pytest.mark.parametrize(("k", "decks"), [(4, 1), (32, 2)])
def test_the_card_of_k_minus_1_cards_ago_is_the_right_one(k: int, decks: int) -> None:
    """By POPGym's rule, correct answers sum to 1 in an episode, and wrong ones to -1."""
    for shift, worth in ((0, 1.0), (1, -1.0)):
        env = RepeatPrevious(3, k, decks)
        step = env.reset(5)
        seen, rewards = [step.frame.argmax(1)], []
        while not step.truncated.any():
            answer = seen[-k] if len(seen) >= k else np.zeros(3, np.int64)
            step = env.step((answer + shift) % 4)
            seen.append(step.frame.argmax(1))
            rewards.append(step.reward)
        assert len(seen) == 52 * decks
        assert (np.stack(rewards)[: k - 1] == 0).all()
        np.testing.assert_allclose(np.sum(rewards, axis=0), worth, rtol=1e-5)
        assert (np.bincount(np.stack(seen)[:, 0]) == 13 * decks).all(), "whole decks"


def test_chance_loses_at_cards() -> None:
    env, rng, total, games = RepeatPrevious(64), np.random.default_rng(0), 0.0, 0
    env.reset(0)
    for _ in range(500):
        step = env.step(rng.integers(4, size=64))
        total, games = total + float(step.reward.sum()), games + int(step.truncated.sum())
    assert total / games == pytest.approx(-0.5, abs=0.05)


def test_the_cart_shows_places_and_no_speeds() -> None:
    """The steps are CartPole-v1's, with only the two positions in the frames."""
    blind, seeing = StatelessCartPole(4), GymnasiumEnv("CartPole-v1", 4)
    rng = np.random.default_rng(0)
    step, whole = blind.reset(1), seeing.reset(1)
    for _ in range(80):
        assert (step.frame == whole.frame[:, [0, 2]]).all()
        for one, other in zip(step[1:], whole[1:], strict=True):
            assert (one == other).all()
        action = rng.integers(2, size=4)
        step, whole = blind.step(action), seeing.step(action)
    assert blind.spec.frame_shape == (2,)
    assert blind.protocol["env"] == "toy/stateless-cartpole"
    blind.close()
    seeing.close()
