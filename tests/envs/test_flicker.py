"""Flicker: frames are black at random, reproducibly, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.evaluation.protocol import protocol_rules
from envs import EnvSettings, TimeStep, make_env

STEPS, ENVS = 40, 2


def shown(flicker: float, seed: int = 4) -> TimeStep:
    """Return random steps [T, E, ...] of several episodes."""
    env = make_env(EnvSettings(id="pong", flicker=flicker, frame_cap=60), ENVS)
    rng = np.random.default_rng(0)
    steps = [env.reset(seed), *(env.step(rng.integers(6, size=ENVS)) for _ in range(STEPS))]
    env.close()
    return TimeStep._make(np.stack(field) for field in zip(*steps, strict=True))


def black(steps: TimeStep) -> NDArray[np.bool_]:
    """Return which frames are black, [T, E]."""
    return (steps.frame == 0).all((2, 3))


def test_half_of_the_frames_are_black_and_the_others_as_ever() -> None:
    plain, flickering = shown(0.0), shown(0.5)
    blank = black(flickering)
    assert not black(plain).any()
    assert 0.35 < blank.mean() < 0.65
    assert (blank[:, 0] != blank[:, 1]).any(), "each env has its own"
    np.testing.assert_array_equal(flickering.frame[~blank], plain.frame[~blank])
    for one, other in zip(flickering[1:], plain[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_seed_blackens_the_same_frames() -> None:
    one, other = black(shown(0.5)), black(shown(0.5, seed=5))
    np.testing.assert_array_equal(one, black(shown(0.5)))
    np.testing.assert_array_equal(one[:, 1:], other[:, :-1])  # env e is seeded with seed + e
    assert (one != other).any()


def test_a_protocol_keeps_it_and_its_record_names_it() -> None:
    rules = EnvSettings(id="pong", flicker=0.5)
    assert protocol_rules(rules, "classic").flicker == 0.5
    env = make_env(rules, 1)
    assert env.protocol["flicker"] == 0.5
    env.close()
    with pytest.raises(ValueError, match="flicker is 1"):
        EnvSettings(flicker=1.0)
    with pytest.raises(ValueError, match="is no Atari game"):
        make_env(EnvSettings(id="toy/catch", flicker=0.5), 1)
