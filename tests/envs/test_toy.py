"""Toy envs: catch is solvable only with two frames, and the chain has known values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from envs import TimeStep
from envs.toy import Chain, PixelCatch
from tests.exact_values import chain_q_star

CELL = 7


def cells(frame: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Return the ball's row and column and the paddle's middle, read from pixels [84, 84]."""
    row, column = np.argwhere(frame[::CELL, ::CELL] == 255)[0]
    paddle = np.flatnonzero(frame[-1, ::CELL] >= 160)
    return int(row), int(column), int(paddle.mean().round())


def landing(row: int, column: int, drift: int) -> int:
    """Return the column where a ball lands, computed row by row."""
    while row < 11:
        drift = -drift if not 0 <= column + drift < 12 else drift
        row, column = row + 1, column + drift
    return column


def test_every_ball_is_caught_by_a_player_who_remembers_the_last_frame() -> None:
    env = PixelCatch(16)
    last, step, rewards = env.reset(0), env.step(np.ones(16, np.int64)), []
    for _ in range(240):
        action = np.ones(16, np.int64)
        for lane in range(16):
            row, column, paddle = cells(step.frame[lane])
            before = cells(last.frame[lane])[1]
            if not (step.first[lane] or step.terminated[lane] or before == column):
                action[lane] = 1 + np.sign(landing(row, column, column - before) - paddle)
        last, step = step, env.step(action)
        rewards += step.reward[step.terminated].tolist()
    assert len(rewards) > 200
    assert set(rewards) == {1.0}


def test_chance_catches_about_one_ball_in_four() -> None:
    env, rng, rewards = PixelCatch(64), np.random.default_rng(0), []
    env.reset(0)
    for _ in range(600):
        step = env.step(rng.integers(3, size=64))
        rewards += step.reward[step.terminated].tolist()
    assert len(rewards) > 3000
    assert np.mean(rewards) == pytest.approx(-0.5, abs=0.05)


def test_a_ball_may_count_for_a_hundred() -> None:
    """With `points=100`, games are the same and rewards a hundred times as large."""
    one, hundred = PixelCatch(8), PixelCatch(8, points=100)
    one.reset(3)
    hundred.reset(3)
    rng, rewards = np.random.default_rng(0), set()
    for _ in range(60):
        action = rng.integers(3, size=8)
        steps = one.step(action), hundred.step(action)
        assert np.array_equal(steps[0].frame, steps[1].frame)
        assert np.array_equal(100 * steps[0].reward, steps[1].reward)
        rewards |= set(steps[1].reward.tolist())
    assert rewards == {-100.0, 0.0, 100.0}
    assert hundred.protocol["env"] == "toy/catch100"


def test_one_frame_does_not_tell_the_direction() -> None:
    """Balls in the same cell move to the left or to the right."""
    env = PixelCatch(512)
    first, second = env.reset(0), env.step(np.ones(512, np.int64))
    ways = {(cells(a), cells(b)[1] - cells(a)[1]) for a, b in zip(first.frame, second.frame, strict=True)}
    places = {place for place, _ in ways if 0 < place[1] < 11}
    assert any({(place, -1), (place, 1)} <= ways for place in places)


def test_a_ball_takes_eleven_actions_and_pays_only_at_the_end() -> None:
    env = PixelCatch(3)
    steps = [env.reset(0), *(env.step(np.ones(3, np.int64)) for _ in range(23))]
    stacked = TimeStep._make(np.stack(field) for field in zip(*steps, strict=True))
    assert np.flatnonzero(stacked.first[:, 0]).tolist() == [0, 12]
    assert np.flatnonzero(stacked.terminated[:, 0]).tolist() == [11, 23]
    assert (np.abs(stacked.reward) == stacked.terminated).all()


@given(st.floats(0.1, 0.999))
def test_chain_values_solve_the_bellman_equation(discount: float) -> None:
    """The exact values equal value iteration on the rules as written."""
    q = np.zeros((5, 2))
    for _ in range(40):
        for state in range(4):
            for action, following in ((0, max(state - 1, 0)), (1, state + 1)):
                q[state, action] = float(following == 4) + (following < 4) * discount * q[following].max()
    np.testing.assert_allclose(chain_q_star(discount), q, atol=1e-9)


def test_the_chain_follows_its_rules() -> None:
    env, rng = Chain(8), np.random.default_rng(0)
    step = env.reset(0)
    starts = set()
    for _ in range(300):
        states, action = step.frame.argmax(axis=1), rng.integers(2, size=8)
        following = env.step(action)
        assert (following.frame.sum(axis=1) == 1).all()
        for lane in range(8):
            if following.first[lane]:
                starts.add(int(following.frame[lane].argmax()))
                continue
            expected = max(states[lane] - 1, 0) if action[lane] == 0 else states[lane] + 1
            assert following.frame[lane].argmax() == expected
            assert following.terminated[lane] == (expected == 4) == following.reward[lane]
        step = following
    assert starts == {0, 1, 2, 3}


def test_the_chain_is_cut_after_fifty_actions() -> None:
    env = Chain(1)
    env.reset(0)
    steps = [env.step(np.array([0])) for _ in range(51)]
    assert np.flatnonzero([step.truncated[0] for step in steps]).tolist() == [49]
    assert steps[50].first[0]
    assert not any(step.terminated[0] for step in steps)


@pytest.mark.parametrize(("toy", "shape"), [(PixelCatch, (84, 84, 3)), (Chain, (80, 80, 3))])
def test_render(toy: type[PixelCatch] | type[Chain], shape: tuple[int, ...]) -> None:
    env = toy(2)
    env.reset(0)
    picture = env.render()
    assert picture.shape == shape
    assert picture.dtype == np.uint8
    assert picture.max() == 255


@pytest.mark.parametrize("toy", [PixelCatch, Chain])
def test_before_a_reset_and_after_close_there_is_nothing_to_step(toy: type[PixelCatch] | type[Chain]) -> None:
    env = toy(1)
    with pytest.raises(RuntimeError, match=r"reset\(seed\)"):
        env.step(np.array([0]))
    env.reset(0)
    env.close()
    with pytest.raises(RuntimeError, match=r"reset\(seed\)"):
        env.step(np.array([0]))
