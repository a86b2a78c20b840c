"""Atari envs: rules, seeds and names. The emulation is tested in `test_atari_oracle.py`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from envs import AtariEnv, EnvSettings, TimeStep, atari_games, machado
from envs.atari import game_name

STILL = EnvSettings(id="pong", noop_max=0, fire_reset=False)


def play(settings: EnvSettings, num_envs: int, steps: int, seed: int, num_threads: int = 1) -> TimeStep:
    """Play random actions that depend only on the env's seed; return fields [T, E, ...]."""
    env = AtariEnv(settings, num_envs, num_threads)
    shown = [env.reset(seed)]
    rngs = [np.random.default_rng(seed + lane) for lane in range(num_envs)]
    for _ in range(steps):
        shown.append(env.step(np.array([rng.integers(env.spec.num_actions) for rng in rngs])))
    env.close()
    return TimeStep._make(np.stack(field) for field in zip(*shown, strict=True))


def env_of(steps: TimeStep, env: int) -> TimeStep:
    """Return one env's steps, [T, 1, ...]."""
    return TimeStep._make(field[:, [env]] for field in steps)


def test_an_env_plays_the_same_game_whatever_plays_beside_it() -> None:
    """An env's steps do not depend on other envs or threads, through truncations and ends of games."""
    rules = EnvSettings(id="breakout", frame_cap=520, life_signal=True)
    both = play(rules, 2, 450, seed=4, num_threads=2)
    assert both.terminated.any()
    assert both.truncated.any()
    assert (both.truncated[:, 0] != both.truncated[:, 1]).any(), "cut together: the test shows too little"
    for env in (0, 1):
        alone = play(rules, 1, 450, seed=4 + env)
        for field, expected in zip(env_of(both, env), alone, strict=True):
            np.testing.assert_array_equal(field, expected)


def test_games_after_a_truncation_differ() -> None:
    """Each new game draws its own number of no-ops, so first frames differ."""
    steps = play(EnvSettings(id="space_invaders", frame_cap=40), 1, 100, seed=0)
    begins = {frame.tobytes() for frame in steps.frame[steps.first]}
    assert steps.first.sum() >= 8
    assert len(begins) > 1


def still_frames(settings: EnvSettings, seed: int) -> NDArray[np.uint8]:
    """Return frames [T, 84, 84] of one env under a fixed series of actions."""
    env = AtariEnv(settings, 1)
    actions = np.random.default_rng(0).integers(env.spec.num_actions, size=(40, 1))
    frames = [env.reset(seed), *(env.step(action) for action in actions)]
    env.close()
    return np.stack([step.frame[0] for step in frames])


@pytest.mark.parametrize(("change", "same"), [({}, True), ({"sticky": 0.25}, False), ({"noop_max": 30}, False)])
def test_only_sticky_actions_and_no_ops_make_chance(change: dict[str, Any], same: bool) -> None:
    """Frames are the same for two seeds, unless sticky actions or no-ops are set."""
    rules = dataclasses.replace(STILL, **change)
    assert np.array_equal(still_frames(rules, 1), still_frames(rules, 2)) == same


@pytest.mark.parametrize(("fire_reset", "clocks"), [(False, {0, 1, 2}), (True, {1, 2})])
def test_no_ops_at_most_as_many_as_asked(fire_reset: bool, clocks: set[int]) -> None:
    """With `noop_max` 2, games start after 0 to 2 emulator frames; ale-py counts FIRE as one of them."""
    env = AtariEnv(dataclasses.replace(STILL, id="space_invaders", fire_reset=fire_reset, noop_max=2), 8)
    env.reset(0)
    assert set(env._clock.tolist()) == clocks
    env.close()


def test_without_the_life_signal_nothing_is_said_of_lives_and_nothing_else_changes() -> None:
    rules = EnvSettings(id="breakout", life_signal=True)
    loud, quiet = play(rules, 1, 260, 0), play(dataclasses.replace(rules, life_signal=False), 1, 260, 0)
    assert loud.life_lost.sum() >= 4
    assert not quiet.life_lost.any()
    for field in ("frame", "reward", "first", "terminated", "truncated", "frames"):
        np.testing.assert_array_equal(getattr(loud, field), getattr(quiet, field))


def test_a_lost_life_neither_ends_the_game_nor_resets_it() -> None:
    """Four of Breakout's five lives are lost within a game, and only the fifth ends it."""
    steps = env_of(play(EnvSettings(id="breakout", life_signal=True), 1, 400, 0), 0)
    ends = np.flatnonzero(steps.terminated)
    assert len(ends) >= 2
    assert steps.life_lost[: ends[0]].sum() == 4
    assert steps.life_lost[ends[0] : ends[1]].sum() == 4
    assert not steps.first[1 : ends[0] + 1].any()
    after = np.flatnonzero(steps.life_lost) + 1
    assert (steps.frames[after[after < ends[0]]] == 4).all()


def test_full_actions() -> None:
    env = AtariEnv(machado("pong"), 1)
    assert env.spec.num_actions == 18
    assert AtariEnv(STILL, 1).spec.num_actions == 6


def test_c25_every_rule_is_in_the_protocol() -> None:
    """C25: each changed rule gives a different protocol record."""
    changes: list[dict[str, Any]] = [
        {},
        {"sticky": 0.25},
        {"life_signal": True},
        {"noop_max": 30},
        {"fire_reset": True},
        {"full_actions": True},
        {"frame_skip": 3},
        {"frame_cap": 18_000},
        {"image_size": 44},
        {"flicker": 0.5},
    ]
    records = [dict(AtariEnv(dataclasses.replace(STILL, **change), 1).protocol) for change in changes]
    assert all(record not in records[:index] for index, record in enumerate(records))
    assert {field.name for field in dataclasses.fields(EnvSettings)} - {
        "id",
        "full_actions",
        "image_size",
        "grayscale",
        "flicker",  # recorded only where it is set
    } < set(records[0])
    assert records[0]["game"] == "pong"
    assert str(records[0]["emulator"]).startswith("ale-py 0.")


def test_frames_of_another_size_show_the_same_game() -> None:
    """At half the side, each pixel is about the mean of four."""
    large, small = AtariEnv(STILL, 1), AtariEnv(dataclasses.replace(STILL, image_size=42), 1)
    frames = [env.reset(3).frame[0].astype(np.float64) for env in (large, small)]
    assert small.spec.frame_shape == (42, 42)
    assert small.render().shape == (336, 336, 3)
    assert np.abs(frames[0].reshape(42, 2, 42, 2).mean(axis=(1, 3)) - frames[1]).max() < 1.0


def test_render_shows_env_0_in_grey() -> None:
    env = AtariEnv(STILL, 2)
    frame = env.reset(0).frame[0]
    picture = env.render()
    assert picture.shape == (336, 336, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[::4, ::4, 1], frame)


def test_before_the_first_reset_there_is_nothing_to_step_or_show() -> None:
    env = AtariEnv(STILL, 1)
    with pytest.raises(RuntimeError, match=r"reset\(seed\)"):
        env.step(np.array([0]))
    with pytest.raises(RuntimeError, match=r"reset\(seed\)"):
        env.render()


@pytest.mark.parametrize(("num_envs", "num_threads"), [(0, 1), (1, 0)])
def test_envs_and_threads_are_asked_for(num_envs: int, num_threads: int) -> None:
    """Zero envs or threads are refused; for the emulator, zero threads would mean one per core."""
    with pytest.raises(ValueError, match="at least one of each"):
        AtariEnv(STILL, num_envs, num_threads)


@pytest.mark.parametrize("name", ["ALE/MsPacman-v5", "MsPacman", "ms_pacman", "ms pacman", "mspacman", "ALE/MsPacman"])
def test_spellings(name: str) -> None:
    assert game_name(name) == "ms_pacman"


@pytest.mark.parametrize("name", ["ALE/Pong-ram-v5", "Pong-v4", "PongNoFrameskip-v4", "combat", "", "toy/catch"])
def test_names_of_no_game(name: str) -> None:
    assert game_name(name) is None


def test_games_have_distinct_spellings() -> None:
    games = atari_games()
    assert len(games) == 104
    assert [game_name(game) for game in games] == games


@pytest.mark.parametrize("game", atari_games())
def test_every_game_runs(game: str) -> None:
    """Each game runs eight steps under the classic rules, with 4 frames a step and not only black frames."""
    env = AtariEnv(EnvSettings(id=game), 1)
    first = env.reset(0)
    # Elevator Action is black for five actions, and 3D Tic-Tac-Toe while it computes its move.
    steps = [env.step(np.array([action])) for action in (0, 0, 0, 0, 0, 0, env.spec.num_actions - 1, 1)]
    env.close()
    assert first.first.all()
    assert 2 <= env.spec.num_actions <= 18
    assert [int(step.frames[0]) for step in steps] == [4] * 8
    assert not any((step.terminated | step.truncated | step.first).any() for step in steps)
    assert any(step.frame.any() for step in steps), "all frames are black"
