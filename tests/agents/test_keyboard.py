"""Keyboard play with scripted keys: their actions, how long they hold, and the recording."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.acting.episodes import play
from agents.imitation.dataset import open_dataset
from agents.imitation.keyboard import HELD, Keyboard, keys_of
from agents.imitation.record import Recorder
from agents.imitation.writer import new_dataset
from envs import EnvSettings, make_env
from envs.colour import make_shown
from tests.players import CATCH


class Typed:
    """A screen with scripted keys: those pressed at each agent step, and at a game's first step at least one.

    `key` returns at once.
    """

    def __init__(self, steps: Iterable[str]) -> None:
        self.steps = iter(steps)
        self.now: list[str] = []
        self.shown: list[str] = []

    def show(self, picture: NDArray[np.uint8], line: str) -> None:
        assert picture.shape[2] == 3
        self.shown.append(line)
        self.now += next(self.steps, "q")

    def key(self, seconds: float) -> str | None:
        return self.now.pop(0) if self.now else None


def actions(steps: list[str], folder: Path, interrupts: int = 0) -> tuple[list[list[int]], Typed]:
    """Record scripted play of toy/catch -> each episode's actions, and the screen. Interrupt at look `interrupts`."""
    looks = count(1)
    env, screen = make_env(CATCH, 1), Typed(steps)
    with new_dataset(folder, CATCH, env.spec, {"player": "a person"}) as writer:
        recorder = Recorder(writer, 1)
        person = Keyboard(env, screen, recorder.line, 0.0, lambda: next(looks) >= interrupts > 0)
        recorder.record(play(env, person, None, 0), stop=lambda: person.ended)
    dataset = open_dataset(folder)
    return [episode.action.tolist() for episode in dataset.episodes(range(len(dataset.steps)))], screen


def test_a_key_acts_for_some_steps_and_the_newest_counts(tmp_path: Path) -> None:
    """A key acts for HELD steps or until the next key; a game takes 11 actions (left 0, stay 1, right 2)."""
    found, screen = actions(["x", "a", *[""] * 7, "ad", "", "", "D", "q"], tmp_path / "set")
    left = [0] * HELD
    assert found == [[1, *left, 1, 1, 1, 2, 2], [2]]
    assert screen.shown[0].startswith("score 0   0 labels   any key begins")
    told = [f"score {score}   11 labels   any key begins" for score in (1, -1)]
    assert screen.shown[12].startswith(tuple(told)), "how the game before has ended"


def test_a_key_that_is_held_acts_on(tmp_path: Path) -> None:
    found, _ = actions(["a", "", "", "a", "", "", "", "", "", "q"], tmp_path / "set")
    assert found == [[0, 0, 0, *[0] * HELD, 1]]


def test_arrows_come_in_pieces(tmp_path: Path) -> None:
    """The three characters of an arrow may come at different steps; another escape sequence is skipped."""
    found, _ = actions(["\x1b[D", "\x1bO", "C", "\x1b", "a", "\x1b[Cq"], tmp_path / "set")
    assert found == [[1, 0, 2, 2, 0]]


def test_the_unfinished_game_is_truncated(tmp_path: Path) -> None:
    actions(["x", "a", "q"], tmp_path / "set")
    (episode,) = open_dataset(tmp_path / "set").episodes([0])
    assert (episode.truncated.tolist(), episode.terminated.any()) == ([False, True], False)


@pytest.mark.parametrize(("interrupts", "found"), [(3, [[1, 0]]), (13, [[1, *[0] * HELD, 1, 1, 1, 1, 1]])])
def test_an_interruption_ends_it_as_q_does(tmp_path: Path, interrupts: int, found: list[list[int]]) -> None:
    """An interruption ends the recording in a game, and while the next game waits for a key."""
    assert actions(["x", "a", *[""] * 30], tmp_path / "set", interrupts)[0] == found


@pytest.mark.parametrize(
    ("game", "keys"),
    [
        ("pong", {"w": "RIGHT", "s": "LEFT", "a": "LEFT", "d": "RIGHT", " ": "FIRE"}),
        ("breakout", {"w": "RIGHT", "s": "LEFT", "a": "LEFT", "d": "RIGHT", " ": "FIRE"}),
        ("freeway", {"w": "UP", "s": "DOWN"}),
        ("seaquest", {"w": "UP", "s": "DOWN", "a": "LEFT", "d": "RIGHT", " ": "FIRE"}),
    ],
)
def test_keys_are_what_the_game_has(game: str, keys: dict[str, str]) -> None:
    env = make_shown(EnvSettings(id=game))
    names: list[str] = env.action_names  # type: ignore[attr-defined]
    assert {key: names[action] for key, action in keys_of(names).items()} == keys
    env.close()


def test_actions_without_names_are_digits() -> None:
    assert keys_of(["0", "1", "2"]) == {"0": 0, "1": 1, "2": 2, "a": 0, "d": 2}
    assert max(keys_of([str(a) for a in range(14)]).values()) == 13
