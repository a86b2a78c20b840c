"""Atari envs compared with a slow oracle: one emulator, driven frame by frame as in the papers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import ale_py
import numpy as np
import pytest
from ale_py import roms
from numpy.typing import NDArray

from envs import AtariEnv, EnvSettings

PLAIN = EnvSettings(id="pong", life_signal=True, noop_max=0, fire_reset=False)
# [160, 84]: the weight of each column in every pixel, 160 * 21 = 84 * 40
COLUMNS: NDArray[np.float64] = np.eye(160).repeat(21, axis=0).reshape(84, 40, 160).mean(axis=1).T


class Seen(NamedTuple):
    """The step that the oracle expects of one env."""

    frame: NDArray[np.float64]  # [84, 84]
    reward: float
    first: bool
    terminated: bool
    truncated: bool
    life_lost: bool
    frames: int


def shrunk(*screens: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the maximum of screens [210, 160], averaged over areas to [84, 84]."""
    maximum = np.maximum.reduce(screens)
    rows = maximum.repeat(2, axis=0).reshape(84, 5, 160).mean(axis=1)  # 210 * 2 = 84 * 5
    shrunk: NDArray[np.float64] = rows @ COLUMNS
    return shrunk


class Oracle:
    """One emulator without sticky actions."""

    def __init__(self, settings: EnvSettings, seed: int) -> None:
        self.settings = settings
        self.ale = ale_py.ALEInterface()
        self.ale.setInt("random_seed", seed)
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.loadROM(Path(str(roms.get_rom_path(settings.id))))
        self.actions = self.ale.getMinimalActionSet()
        self.over = True

    def step(self, action: int) -> Seen:
        """Play one action, or begin a game where the last one is over."""
        if self.over:
            return self.begin()
        reward, frames, lives = 0.0, 0, self.ale.lives()
        screens = [np.zeros((210, 160), np.uint8)]
        while frames < self.settings.frame_skip and not self.ale.game_over():
            reward += self.ale.act(self.actions[action])
            screens.append(self.ale.getScreenGrayscale())
            frames += 1
        self.played += frames
        terminated = self.ale.game_over()
        truncated = not terminated and self.played >= self.settings.frame_cap
        self.over = terminated or truncated
        life_lost = self.ale.lives() < lives and not terminated
        return Seen(shrunk(*screens[-2:]), reward, False, terminated, truncated, life_lost, frames)

    def begin(self) -> Seen:
        """Begin a new game."""
        self.ale.reset_game()
        if self.settings.fire_reset and ale_py.Action.FIRE in self.actions:
            self.ale.act(ale_py.Action.FIRE)
        self.over, self.played = False, 0
        return Seen(shrunk(self.ale.getScreenGrayscale()), 0.0, True, False, False, False, 0)


def assert_env_agrees(settings: EnvSettings, steps: int) -> list[Seen]:
    """Assert that an env and the oracle agree at every step; return the oracle's steps."""
    env, oracle, rng = AtariEnv(settings, 1), Oracle(settings, seed=3), np.random.default_rng(0)
    shown, seen = env.reset(3), [oracle.step(0)]
    for _ in range(steps):
        expected = seen[-1]
        assert tuple(field[0] for field in shown[1:]) == expected[1:]
        if not expected.terminated:  # no value is read from the frame of a game that is over
            np.testing.assert_allclose(shown.frame[0], expected.frame, atol=1)
        action = int(rng.integers(env.spec.num_actions))
        shown = env.step(np.array([action]))
        seen.append(oracle.step(action))
    env.close()
    return seen


@pytest.mark.parametrize("game", ["breakout", "space_invaders", "ms_pacman", "seaquest"])
def test_games_with_lives_c24(game: str) -> None:
    """Lost lives are signalled and the game continues to game over; C24: `frames` counts the frames played."""
    seen = assert_env_agrees(dataclasses.replace(PLAIN, id=game), 900)
    assert sum(step.terminated for step in seen) >= 1
    assert sum(step.life_lost for step in seen) >= 2
    assert {step.frames for step in seen} > {0, 4}, "no skip was cut short: the test shows nothing"


@pytest.mark.parametrize("game", ["pong", "freeway"])
def test_games_without_lives(game: str) -> None:
    seen = assert_env_agrees(dataclasses.replace(PLAIN, id=game), 300)
    assert not any(step.life_lost for step in seen)


@pytest.mark.parametrize("frame_cap", [80, 82])
def test_c5_the_cap_truncates_and_shows_the_true_last_frame(frame_cap: int) -> None:
    """C5: the frame cap truncates without termination, and the last frame is the true one to bootstrap from."""
    cut = dataclasses.replace(PLAIN, id="breakout", fire_reset=True, frame_cap=frame_cap)
    seen = assert_env_agrees(cut, 100)
    assert sum(step.truncated for step in seen) >= 4
    assert not any(step.terminated for step in seen)


@pytest.mark.parametrize("frame_skip", [1, 3])
def test_other_frame_skips(frame_skip: int) -> None:
    assert_env_agrees(dataclasses.replace(PLAIN, id="breakout", frame_skip=frame_skip), 60)


def test_rewards_are_raw() -> None:
    seen = assert_env_agrees(dataclasses.replace(PLAIN, id="space_invaders"), 300)
    assert max(step.reward for step in seen) > 1
