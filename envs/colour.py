"""Atari games for display, rendered in the console's colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from ale_py.vector_env import AtariVectorEnv
from numpy.typing import NDArray

from envs.atari import AtariEnv, emulators, game_name
from envs.base import BatchedEnv, EnvSettings, TimeStep
from envs.registry import make_env

SCREEN = (210, 160)  # height and width of the console's picture
_WIDER = 2  # its pixels are about twice as wide as high


class ColourAtari(AtariEnv):
    """One game that is rendered in colour; otherwise as `AtariEnv`.

    The emulator of an env gives gray frames only, so a second one plays the same game, with the same seed and
    actions and therefore the same sticky actions and no-ops.
    """

    def __init__(self, settings: EnvSettings) -> None:
        super().__init__(settings, 1)
        self.action_names: list[str] = [action.name for action in self._ale.ale.get_action_set()]
        self._twin: AtariVectorEnv = emulators(self._game, settings, 1, 1, screen=SCREEN, grayscale=False)
        self._screen: NDArray[np.uint8] | None = None

    def reset(self, seed: int) -> TimeStep:
        """Begin an episode; see `BatchedEnv.reset`."""
        step = super().reset(seed)
        self._screen = self._twin.reset(seed=seed)[0][0, 0]
        return step

    def step(self, action: NDArray[np.integer[Any]]) -> TimeStep:
        """Act; see `BatchedEnv.step`."""
        cut = self._last is not None and bool(self._last.truncated.any())
        step = super().step(action)
        screens: NDArray[np.uint8] = self._twin.step(np.asarray(action, np.int64))[0]
        if cut:  # as in `AtariEnv.step`
            screens = self._twin.reset(options={"reset_mask": np.ones(1, np.bool_)})[0]
        self._screen = screens[0, 0]
        return step

    @property
    def screen(self) -> NDArray[np.uint8]:
        """The console's own pixels: uint8 [210, 160, 3], RGB."""
        if self._screen is None:
            raise RuntimeError("the environment was never reset: call reset(seed) before render()")
        return self._screen

    def render(self) -> NDArray[np.uint8]:
        """Return the screen in a television's aspect ratio: uint8 [210, 320, 3], RGB."""
        return self.screen.repeat(_WIDER, axis=1)

    def close(self) -> None:
        """Free both emulators."""
        super().close()
        self._twin.close()


def make_shown(settings: EnvSettings) -> BatchedEnv:
    """Create one copy of the env that `settings.id` names for display: Atari games in colour.

    Raises:
        ValueError: see `make_env`.
    """
    return ColourAtari(settings) if game_name(settings.id) is not None else make_env(settings, 1)


def action_names(env: BatchedEnv) -> list[str]:
    """Return the names [A] of the actions: their numbers if the env has no names, none for torques."""
    if isinstance(env, ColourAtari):
        return env.action_names
    return [] if env.spec.joints else [str(a) for a in range(env.spec.num_actions)]
