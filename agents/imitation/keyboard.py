"""A human player as a policy: it draws the env, keeps the pace of the game, and maps keys to actions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import Explore, PolicyOutput
from envs.base import BatchedEnv
from envs.colour import action_names

HELD = 5  # least agent steps that a key press lasts: terminals report presses and auto-repeats, but no releases
HELD_SECONDS = 1 / 3  # least duration of a key press: auto-repeat starts after a quarter of a second or later
ARROWS = {"\x1b[A": "w", "\x1b[B": "s", "\x1b[C": "d", "\x1b[D": "a"}
ARROWS |= {keys.replace("[", "O"): key for keys, key in ARROWS.items()}  # as some terminals send them
# The first of these that the game has is used: Pong has only left and right, and right moves up.
MEANT = {"w": ("UP", "RIGHT"), "s": ("DOWN", "LEFT"), "a": ("LEFT",), "d": ("RIGHT",), " ": ("FIRE",)}
QUIT = "q"
PATIENCE = 0.2  # seconds between two checks for an interrupt


class Screen(Protocol):
    """Interface of `agents.playback.terminal.Terminal`."""

    def show(self, picture: NDArray[np.uint8], line: str) -> None: ...

    def key(self, seconds: float) -> str | None: ...


def keys_of(names: list[str]) -> dict[str, int]:
    """Return the action of each key. If actions have no names: digits, a for the first one, d for the last one."""
    if names == [str(a) for a in range(len(names))]:
        return {**{str(a): a for a in range(min(len(names), 10))}, "a": 0, "d": len(names) - 1}
    found = {key: [names.index(name) for name in meant if name in names] for key, meant in MEANT.items()}
    return {key: actions[0] for key, actions in found.items() if actions}


class Keyboard:
    """Policy of one env. Every game waits for a key; while none is pressed the action is NOOP, or else the middle one.

    Args:
        env: the env that `play` steps.
        line: returns the text below the picture.
        seconds: duration of an agent step.
        interrupted: returns whether to end as if `QUIT` had been pressed.
    """

    def __init__(
        self,
        env: BatchedEnv,
        screen: Screen,
        line: Callable[[], str],
        seconds: float,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.env, self.screen, self.line, self.seconds = env, screen, line, seconds
        self.interrupted = interrupted
        self.names = action_names(env)
        self.keys, self.actions = keys_of(self.names), len(self.names)
        self.idle = self.names.index("NOOP") if "NOOP" in self.names else self.actions // 2
        self.held = max(HELD, round(HELD_SECONDS / seconds)) if seconds else HELD
        self.action, self.left = self.idle, 0  # current action, and the steps that are left of it
        self.unread, self.ended = "", False
        self.due = time.monotonic()

    def start(self, num_envs: int) -> None:
        """Return no carry."""

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: None, explore: Explore | None) -> PolicyOutput:
        """Draw the env, wait until the step is due, and return the action of the newest key."""
        self.left -= 1
        if first.any():
            self._wait_for_a_key()
        else:
            self._show("")
            self.due = max(self.due + self.seconds, time.monotonic())  # do not catch up after a slow redraw
            while (key := self.screen.key(self.due - time.monotonic())) is not None:
                self._press(key)
        self.ended |= self.interrupted()
        action = np.array([self.action if self.left > 0 else self.idle])
        return PolicyOutput(action, None, frame, np.zeros((1, self.actions), np.float32))

    def _wait_for_a_key(self) -> None:
        self._show("   any key begins")
        while (key := self.screen.key(PATIENCE)) is None:
            if self.interrupted():
                return
        self._press(key)
        self.due = time.monotonic()

    def _show(self, what: str) -> None:
        self.screen.show(self.env.render(), f"{self.line()}{what}   wasd, arrows, space   q: end")

    def _press(self, key: str) -> None:
        """Handle a character, which may be part of an arrow key's escape sequence."""
        self.unread += key
        if any(arrow.startswith(self.unread) and arrow != self.unread for arrow in ARROWS):
            return
        pressed, self.unread = ARROWS.get(self.unread, self.unread[-1]).lower(), ""
        self.ended |= pressed == QUIT
        if pressed in self.keys:
            self.action, self.left = self.keys[pressed], self.held
