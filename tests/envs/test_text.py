"""Gymnasium's text games: time limits, and the variants without slippery ice."""

from __future__ import annotations

import numpy as np
import pytest

from envs import EnvSettings, make_env
from envs.text import TIME_LIMITS, time_limit


@pytest.mark.parametrize("name", TIME_LIMITS)
def test_a_walk_in_circles_comes_to_an_end(name: str) -> None:
    """Text games without a Gymnasium limit are truncated at ours, here under one repeated action."""
    env = make_env(EnvSettings(id=name), 1)
    env.reset(0)
    ends = [env.step(np.array([3])).truncated[0] for _ in range(TIME_LIMITS[name])]
    assert ends[-1]
    assert not any(ends[:-1])
    assert env.protocol["time_limit"] == TIME_LIMITS[name] == time_limit(name)
    env.close()


def test_registered_limits_stay() -> None:
    assert [time_limit(name) for name in ("Taxi-v3", "FrozenLake-v1", "CartPole-v1")] == [200, 100, 500]


@pytest.mark.parametrize(("name", "states"), [("FrozenLakeNotSlippery-v1", 16), ("FrozenLake8x8NotSlippery-v1", 64)])
def test_firm_ice_goes_where_one_wants_to(name: str, states: int) -> None:
    """Without slippery ice, two actions down move two rows down in every env."""
    env = make_env(EnvSettings(id=name), 5)
    env.reset(0)
    side = int(states**0.5)
    for row in range(1, 3):
        assert env.step(np.full(5, 1)).frame.ravel().tolist() == [row * side] * 5
    assert env.protocol["time_limit"] == {16: 100, 64: 200}[states]
    env.close()
