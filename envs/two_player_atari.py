"""Two-player Atari games on the emulator of Terry et al. (2020, arXiv:2009.09341). Legend: E envs.

The ROMs are those of ale-py. The emulator's package, multi-agent-ale-py, is under the GPL and only needed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ale_py
import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from envs.area import Area
from envs.base import EnvSettings, EnvSpec
from envs.checks import checked_seed
from envs.two_players import TwoPlayerStep, checked_actions
from envs.views import both_views

ONLY_FOR_TWO = ("combat", "joust", "maze_craze", "warlords")  # loading one in ale-py terminates the process
GAMES = tuple(
    sorted(
        {"backgammon", "boxing", "double_dunk", "entombed", "fishing_derby", "flag_capture", "ice_hockey", "mario_bros"}
        | {"othello", "pong", "space_invaders", "space_war", "surround", "tennis", "video_checkers", "wizard_of_wor"}
        | set(ONLY_FOR_TWO)
    )
)
SEATS = {"warlords": 4}  # its two-player modes never start on this emulator; in the four-player mode, two stay idle
FIRE = 1
SIDE = 84
RENDERED = 336


def two_player_game(env: str) -> str | None:
    """Return the name of the two-player game "duel/joust", "ALE/Joust-v5", "Joust" or "joust"; None if unknown."""
    spoken = re.sub(r"^(ale|duel)/|-v5$|[_\s]", "", env.lower())
    return next((game for game in GAMES if game.replace("_", "") == spoken), None)


class TwoPlayerAtari:
    """E emulators of one game, stepped in turn: frames as in `AtariEnv`, raw rewards of both players.

    The first two-player mode of the game is played, and lives are ignored. In Pong, a player who does not serve the
    ball within two seconds loses a point that the other player does not gain.

    Args:
        settings: the rules; `settings.id` names the game.

    Raises:
        ValueError: no such game, a rule that it does not support, or the emulator is not installed.
    """

    def __init__(self, settings: EnvSettings, num_envs: int) -> None:
        game = two_player_game(settings.id)
        if game is None:
            raise ValueError(f"no Atari game for two is called {settings.id!r}: use one of {', '.join(GAMES)}")
        if settings.life_signal:
            raise ValueError(f"{game} for two counts no lives: leave life_signal out")
        if settings.flicker:
            raise ValueError(f"{game} for two has no black frames: leave flicker out")
        self.num_envs, self._settings, self._game = num_envs, settings, game
        self._emulators = [_emulator(game, settings, 0)]
        ale, mode = self._emulators[0]
        actions = ale.getLegalActionSet() if settings.full_actions else ale.getMinimalActionSet()
        self._actions: NDArray[np.intc] = actions
        self._width, self._height = ale.getScreenDims()
        self._side = settings.image_size or SIDE
        self._area = Area(self._height, self._width, self._side)
        self.spec = EnvSpec((self._side, self._side), np.dtype(np.uint8), Discrete(len(actions)))
        self.protocol: Mapping[str, str | int | float | bool] = _protocol(game, mode, settings, len(actions))
        self._played = np.zeros(num_envs, np.int64)  # frames of the running games
        self._last: TwoPlayerStep | None = None

    def reset(self, seed: int) -> TwoPlayerStep:
        """Begin a game in every env; see `TwoPlayerEnv.reset`."""
        seed = checked_seed(seed, self.num_envs)
        if self._settings.sticky or len(self._emulators) < self.num_envs:
            # The emulator takes a seed only when it loads a game, and uses it only for sticky actions.
            self._emulators = [_emulator(self._game, self._settings, seed + e) for e in range(self.num_envs)]
        self._rngs = [np.random.default_rng([seed + e, 4]) for e in range(self.num_envs)]
        self._last = None
        return self._turn(np.zeros((self.num_envs, 2), np.int64), np.ones(self.num_envs, np.bool_))

    def step(self, actions: NDArray[np.integer[Any]]) -> TwoPlayerStep:
        """Act for both players in every env; see `TwoPlayerEnv.step`."""
        actions = checked_actions(actions, self.num_envs, self.spec.num_actions)
        if self._last is None:
            raise RuntimeError("the environment was never reset: call reset(seed) before step(actions)")
        return self._turn(actions, self._last.terminated | self._last.truncated)

    def _turn(self, actions: NDArray[np.int64], first: NDArray[np.bool_]) -> TwoPlayerStep:
        screens = np.empty((self.num_envs, self._height, self._width), np.uint8)
        reward, frames = np.zeros((self.num_envs, 2), np.float32), np.zeros(self.num_envs, np.int64)
        for env in range(self.num_envs):
            if first[env]:
                screens[env] = self._begin(env)
            else:
                screens[env], reward[env], frames[env] = self._play(env, self._actions[actions[env]])
        self._played = np.where(first, 0, self._played + frames)
        terminated = np.array([ale.game_over() for ale, _ in self._emulators], np.bool_) & ~first
        truncated = (self._played >= self._settings.frame_cap) & ~terminated
        self._last = TwoPlayerStep(
            frame=both_views(self._game, self._area(screens)),
            reward=reward,
            first=first.copy(),
            terminated=terminated,
            truncated=truncated,
            frames=frames,
        )
        return self._last

    def _begin(self, env: int) -> NDArray[np.uint8]:
        """Begin a game with up to `noop_max` no-op frames, then FIRE for both if the rules require it."""
        ale, _ = self._emulators[env]
        ale.reset_game()
        for _ in range(self._rngs[env].integers(self._settings.noop_max + 1)):
            self._act(ale, [0, 0])
        if self._settings.fire_reset and FIRE in self._actions:
            self._act(ale, [FIRE, FIRE])
        return _screen(ale)

    def _play(self, env: int, pair: NDArray[np.intc]) -> tuple[NDArray[np.uint8], NDArray[Any], int]:
        """Return the maximum of the last two screens, the rewards of both players, and the frames played."""
        (ale, _), skip = self._emulators[env], self._settings.frame_skip
        won, frames = np.zeros(2), 0
        before = np.zeros((self._height, self._width), np.uint8)
        while frames < skip and not ale.game_over():
            won += self._act(ale, pair)
            frames += 1
            if frames == skip - 1:
                before = _screen(ale)
        shown: NDArray[np.uint8] = np.maximum(_screen(ale), before)
        return shown, won, frames

    def _act(self, ale: Any, pair: Sequence[int] | NDArray[np.intc]) -> NDArray[Any]:
        """Play one frame; return the rewards of the two players."""
        rewards: NDArray[Any] = np.asarray(ale.act([*pair, *[0] * (SEATS.get(self._game, 2) - 2)]))
        return rewards[:2]

    def render(self) -> NDArray[np.uint8]:
        """Return player A's frame of env 0, enlarged: uint8 [H, W, 3]."""
        if self._last is None:
            raise RuntimeError("the environment was never reset: call reset(seed) before render()")
        scale = max(RENDERED // self._side, 1)
        enlarged = self._last.frame[0, 0].repeat(scale, axis=0).repeat(scale, axis=1)
        return np.stack([enlarged] * 3, axis=-1)

    def close(self) -> None:
        """Free the emulators."""
        self._emulators = []


def _screen(ale: Any) -> NDArray[np.uint8]:
    screen: NDArray[np.uint8] = ale.getScreenGrayscale()[..., 0]
    return screen


def _emulator(game: str, settings: EnvSettings, seed: int) -> tuple[Any, int]:
    """Return an emulator with the game loaded, and its mode."""
    try:
        from multi_agent_ale_py import ALEInterface
    except ImportError:
        what = f"{game} for two needs the package multi-agent-ale-py"
        remedy = ".venv/bin/python -m pip install -c requirements.lock -e '.[selfplay]'"
        raise ValueError(f"{what}: {remedy}") from None
    ALEInterface.setLoggerMode("error")
    ale = ALEInterface()
    ale.setInt("random_seed", seed)
    ale.setFloat("repeat_action_probability", settings.sticky)
    ale.loadROM(str(Path(ale_py.__file__).parent / "roms" / f"{game}.bin"))
    mode = int(ale.getAvailableModes(SEATS.get(game, 2))[0])
    ale.setMode(mode)
    ale.reset_game()
    return ale, mode


def _protocol(game: str, mode: int, settings: EnvSettings, num_actions: int) -> Mapping[str, str | int | float | bool]:
    side = settings.image_size or SIDE
    return {
        "suite": "atari",
        "game": f"{game} for two",
        "mode": mode,
        "emulator": f"multi-agent-ale-py {version('multi-agent-ale-py')}",
        "players": 2,
        "sticky": settings.sticky,
        "noop_max": settings.noop_max,
        "fire_reset": settings.fire_reset,
        "action_set": "full" if settings.full_actions else "minimal",
        "num_actions": num_actions,
        "frame_skip": settings.frame_skip,
        "frame_cap": settings.frame_cap,
        "frame": f"grayscale {side}x{side}, maximum of the last two",
        "game_ends": "game over",
    }
