"""Gymnasium envs behind our interface, compared with Gymnasium itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from envs.vector import GymnasiumEnv


@pytest.mark.parametrize(("name", "steps"), [("CartPole-v1", 120), ("Taxi-v3", 420), ("FrozenLake-v1", 60)])
def test_each_env_is_the_gymnasium_env_of_its_seed(name: str, steps: int) -> None:
    """Each env's steps equal those of a plain Gymnasium env with its seed, reset where an episode ends (C2, C4)."""
    env, plain = GymnasiumEnv(name, 2), [gymnasium.make(name) for _ in range(2)]
    rng, over = np.random.default_rng(0), [False, False]
    shown = env.reset(5)
    for e in (0, 1):
        np.testing.assert_array_equal(shown.frame[e].ravel(), np.float32(plain[e].reset(seed=5 + e)[0]).ravel())
    ends = 0
    for _ in range(steps):
        action = rng.integers(env.spec.num_actions, size=2)
        shown = env.step(action)
        for e in (0, 1):
            if over[e]:
                expected: tuple[Any, ...] = (plain[e].reset()[0], 0.0, False, False)
            else:
                expected = plain[e].step(int(action[e]))[:4]
            assert shown.first[e] == over[e]
            np.testing.assert_array_equal(shown.frame[e].ravel(), np.float32(expected[0]).ravel())
            assert (shown.reward[e], shown.terminated[e]) == (np.float32(expected[1]), expected[2])
            assert shown.truncated[e] == (expected[3] and not expected[2])
            over[e] = expected[2] or expected[3]
            ends += over[e]
    assert ends > 0
    env.close()


def test_c5_a_time_limit_truncates() -> None:
    """Taxi is truncated, not terminated, at its time limit of 200 actions."""
    env = GymnasiumEnv("Taxi-v3", 1)
    env.reset(0)
    steps = [env.step(np.array([0])) for _ in range(200)]
    assert [bool(step.truncated[0]) for step in steps] == [False] * 199 + [True]
    assert not any(step.terminated[0] for step in steps)
    assert env.protocol["time_limit"] == 200


def test_frames_of_vectors_and_of_states() -> None:
    cartpole, taxi = GymnasiumEnv("CartPole-v1", 3), GymnasiumEnv("Taxi-v3", 3)
    assert cartpole.spec[:2] == ((4,), np.dtype(np.float32))
    assert taxi.spec[:2] == ((1,), np.dtype(np.int64))
    assert (cartpole.num_states, taxi.num_states) == (None, 500)


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ("Blackjack-v1", "shows a vector, a uint8 image"),
        ("NoSuchEnv-v0", "Gymnasium cannot make"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(env: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as error:
        GymnasiumEnv(env, 1)
    assert "\n" not in str(error.value)


class Offset(gymnasium.Env[np.int64, np.int64]):
    """An env with states from 10 and actions from 5; its only step's state shows the action. It has no render mode."""

    metadata: ClassVar[dict[str, Any]] = {}
    observation_space = Discrete(3, start=10)
    action_space = Discrete(2, start=5)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Return state 10."""
        super().reset(seed=seed)
        return np.int64(10), {}

    def step(self, action: np.int64) -> Any:
        """Return state 11 or 12, both terminated and truncated."""
        return np.int64(11 + action - 5), 1.0, True, True, {}


class Picture(Offset):
    """An env whose observations are images."""

    observation_space = Box(0, 255, (6, 8, 3), np.uint8)  # type: ignore[assignment]

    def reset(self, **_: Any) -> Any:
        return np.full((6, 8, 3), 7, np.uint8), {}


@pytest.fixture
def registered() -> Iterator[None]:
    """Register the two envs above for one test."""
    gymnasium.register("QuarterdeckOffset-v0", entry_point=lambda **_: Offset(), disable_env_checker=True)
    gymnasium.register("QuarterdeckPicture-v0", entry_point=lambda **_: Picture(), disable_env_checker=True)
    yield
    for env in ("QuarterdeckOffset-v0", "QuarterdeckPicture-v0"):
        del gymnasium.registry[env]


@pytest.mark.usefixtures("registered")
def test_states_and_actions_count_from_zero_and_an_end_is_not_cut_as_well() -> None:
    env = GymnasiumEnv("QuarterdeckOffset-v0", 2)
    assert env.reset(0).frame.tolist() == [[0], [0]]
    step = env.step(np.array([0, 1]))
    assert step.frame.tolist() == [[1], [2]]
    assert step.terminated.all()
    assert not step.truncated.any()
    assert env.protocol["time_limit"] == "none"


@pytest.mark.usefixtures("registered")
def test_images_are_frames() -> None:
    """Images keep their bytes, padded with black to multiples of 4, and are scaled and grey where set."""
    frame = GymnasiumEnv("QuarterdeckPicture-v0", 1).reset(0).frame
    assert (frame.shape, frame.dtype) == ((1, 8, 8, 3), np.uint8)
    assert (frame[0, :6] == 7).all()
    assert not frame[0, 6:].any()
    env = GymnasiumEnv("QuarterdeckPicture-v0", 2, image_size=24, grayscale=True)
    frame = env.reset(0).frame
    assert frame.shape == (2, 24, 24)
    assert (frame == 7).all()
    assert env.protocol["image_size"] == 24
    with pytest.raises(ValueError, match="shows no images"):
        GymnasiumEnv("CartPole-v1", 1, image_size=24)


@pytest.mark.usefixtures("registered")
def test_an_env_that_draws_nothing_says_so() -> None:
    env = GymnasiumEnv("QuarterdeckOffset-v0", 1)
    env.reset(0)
    with pytest.raises(ValueError, match="QuarterdeckOffset-v0 draws no pictures"):
        env.render()


def test_an_env_that_cannot_draw_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any exception of the renderer becomes a ValueError with the first line of its message."""
    env = GymnasiumEnv("CartPole-v1", 1)
    env.reset(0)

    def fails() -> None:
        raise ArithmeticError("no OpenGL\nand more")

    monkeypatch.setattr(env._envs.envs[0], "render", fails)
    with pytest.raises(ValueError, match=r"CartPole-v1 cannot draw: no OpenGL$"):
        env.render()
    env.close()


def test_before_the_first_reset_there_is_nothing_to_step() -> None:
    with pytest.raises(RuntimeError, match=r"reset\(seed\)"):
        GymnasiumEnv("CartPole-v1", 1).step(np.array([0]))
