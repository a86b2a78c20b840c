"""The contract of `BatchedEnv`, tested on every kind of env."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from envs import BatchedEnv, EnvSettings, TimeStep, make_env
from tests.coded_env import CodedEnv

NUM_ENVS = 2
STEPS = 60
GAMES: dict[str, Callable[[], BatchedEnv]] = {
    "coded": lambda: CodedEnv(NUM_ENVS),
    "catch": lambda: make_env(EnvSettings(id="toy/catch"), NUM_ENVS),
    "chain": lambda: make_env(EnvSettings(id="toy/chain"), NUM_ENVS),
    "cartpole": lambda: make_env(EnvSettings(id="CartPole-v1"), NUM_ENVS),
    "tmaze": lambda: make_env(EnvSettings(id="toy/tmaze-5"), NUM_ENVS),
    "repeat": lambda: make_env(EnvSettings(id="toy/repeat-previous"), NUM_ENVS),
    "stateless": lambda: make_env(EnvSettings(id="toy/stateless-cartpole"), NUM_ENVS),
    "frozenlake": lambda: make_env(EnvSettings(id="FrozenLake-v1"), NUM_ENVS),
    "duel": lambda: make_env(EnvSettings(id="toy/duel"), NUM_ENVS),
    # The short cap gives several episodes, each ended by truncation.
    "pong": lambda: make_env(EnvSettings(id="pong", frame_cap=100, sticky=0.25), NUM_ENVS),
}


@pytest.fixture(params=GAMES)
def new_env(request: pytest.FixtureRequest) -> Callable[[], BatchedEnv]:
    """Return a function that makes one of the envs."""
    return GAMES[request.param]


@pytest.fixture
def env(new_env: Callable[[], BatchedEnv]) -> Iterator[BatchedEnv]:
    """Yield one of the envs, newly made."""
    env = new_env()
    yield env
    env.close()


def play(env: BatchedEnv, steps: int = STEPS, seed: int = 0) -> list[TimeStep]:
    """Return the reset step and `steps` random steps."""
    rng = np.random.default_rng(0)
    actions = rng.integers(env.spec.num_actions, size=(steps, env.num_envs))
    return [env.reset(seed), *(env.step(action) for action in actions)]


def stacked(steps: list[TimeStep]) -> TimeStep:
    """Stack time steps into one, [T, E, ...]."""
    return TimeStep._make(np.stack(field) for field in zip(*steps, strict=True))


def test_shapes_and_dtypes(env: BatchedEnv) -> None:
    for step in play(env):
        assert step.frame.shape == (NUM_ENVS, *env.spec.frame_shape)
        assert step.frame.dtype == env.spec.frame_dtype
        assert [field.shape for field in step[1:]] == [(NUM_ENVS,)] * 6
        assert [field.dtype.name for field in step[1:]] == ["float32"] + ["bool"] * 4 + ["int64"]


def test_c2_each_end_is_followed_by_one_reset_step_without_reward_or_frames(env: BatchedEnv) -> None:
    """C2: each end is followed by one step with `first`, which has no reward, frames or end."""
    steps = stacked(play(env))
    over = steps.terminated | steps.truncated
    assert over[:-1].any(), "no episode ended: the test shows nothing"
    np.testing.assert_array_equal(steps.first[1:], over[:-1])
    assert steps.first[0].all()
    assert (steps.reward[steps.first] == 0).all()
    assert (steps.frames[steps.first] == 0).all()
    assert (steps.frames[~steps.first] > 0).all()
    assert not (steps.first & (over | steps.life_lost)).any()


def test_terminated_and_truncated_exclude_each_other(env: BatchedEnv) -> None:
    steps = stacked(play(env))
    assert not (steps.terminated & steps.truncated).any()
    assert not (steps.life_lost & (steps.terminated | steps.truncated)).any()


def test_c2_the_action_of_a_reset_step_is_not_used(new_env: Callable[[], BatchedEnv]) -> None:
    one, other = new_env(), new_env()
    step, twin = one.reset(0), other.reset(0)
    rng, used = np.random.default_rng(1), 0
    for _ in range(STEPS):
        over = step.terminated | step.truncated
        used += int(over.sum())
        action = rng.integers(one.spec.num_actions, size=NUM_ENVS)
        step, twin = one.step(action), other.step(np.where(over, (action + 1) % one.spec.num_actions, action))
        assert_same([step], [twin])
    assert used > 0, "no episode ended: the test shows nothing"
    one.close()
    other.close()


def assert_same(steps: list[TimeStep], others: list[TimeStep]) -> None:
    """Assert that all fields are equal."""
    for field, other in zip(stacked(steps), stacked(others), strict=True):
        np.testing.assert_array_equal(field, other)


@pytest.mark.parametrize("name", sorted(set(GAMES) - {"coded"}))  # whose episode count continues across resets
def test_same_seed_same_steps_also_with_seed_zero_and_in_a_used_env(name: str) -> None:
    one, other = GAMES[name](), GAMES[name]()
    expected = play(one, seed=0)
    play(other, seed=9)
    assert_same(expected, play(other, seed=0))
    one.close()
    other.close()


def test_steps_may_be_kept(env: BatchedEnv) -> None:
    """Later steps do not write into the arrays of earlier ones."""
    step = env.reset(0)
    kept = TimeStep._make(field.copy() for field in step)
    for _ in range(STEPS):
        env.step(np.full(NUM_ENVS, env.spec.num_actions - 1))
    assert_same([step], [kept])


def test_an_unseeded_reset_is_impossible(env: BatchedEnv) -> None:
    reset: Any = env.reset
    with pytest.raises(TypeError):
        reset()
    for seed in (None, -1, 2**31 - 1, 2**40, 0.5, True):
        with pytest.raises(ValueError, match="seed is"):
            reset(seed)


def test_a_bad_action_is_refused_and_moves_nothing(new_env: Callable[[], BatchedEnv]) -> None:
    """A bad action is refused, and the env's state is unchanged; one out of range would hang Atari emulators."""
    env, twin = new_env(), new_env()
    env.reset(3)
    twin.reset(3)
    bad: list[Any] = [
        np.array([0, -1]),
        np.array([env.spec.num_actions, 0]),
        np.int64(0),
        np.zeros(NUM_ENVS + 1, np.int64),
        np.zeros((NUM_ENVS, 1), np.int64),
        np.zeros(NUM_ENVS, np.float32),
        np.zeros(NUM_ENVS, np.bool_),
    ]
    for action in bad:
        with pytest.raises(ValueError, match=r"^action .*: give "):
            env.step(action)
    fine: NDArray[np.int32] = np.full(NUM_ENVS, env.spec.num_actions - 1, np.int32)
    assert_same([env.step(fine)], [twin.step(fine)])
    env.close()
    twin.close()


def test_c25_the_protocol_is_json_and_names_the_env(env: BatchedEnv) -> None:
    protocol = dict(env.protocol)
    assert json.loads(json.dumps(protocol)) == protocol
    assert protocol["suite"]
