"""Atari games on ale-py's native vector environment, with explicit rules and automatic resets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import ale_py
import gymnasium
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from envs.base import MAX_FRAME_CAP, EnvSettings, EnvSpec, TimeStep
from envs.checks import checked_action, checked_seed

_SIDE = 84  # pixels, both ways, as in the papers
_RENDERED = 336  # approximate side of a rendered picture, in pixels


def atari_games() -> list[str]:
    """Return the sorted names of all games that ale-py ships and plays, such as "ms_pacman".

    Its two-player ROMs ("combat", "joust", "maze_craze", "warlords") are excluded: loading one terminates the process.
    """
    return sorted(spec.kwargs["game"] for spec in gymnasium.registry.values() if spec.namespace == "ALE")


def game_name(env: str) -> str | None:
    """Return the name of the game "ALE/MsPacman-v5", "MsPacman" or "ms_pacman"; None if there is no such game."""
    spoken = re.sub(r"^ale/|-v5$|[_\s]", "", env.lower())
    return next((game for game in atari_games() if game.replace("_", "") == spoken), None)


class AtariEnv:
    """E copies of one Atari game: grayscale frames of 84x84 or `image_size` squared, raw scores, whole games.

    A frame is the maximum of the last two of the `frame_skip` screens of an action (Mnih et al. 2015, Methods).
    On the step that ends a game ale-py may show older screens, whose values are never used.

    Args:
        settings: the rules; `settings.id` names the game.
        num_envs: E.
        num_threads: emulator threads.

    Raises:
        ValueError: no such game, or no envs or threads.
    """

    def __init__(self, settings: EnvSettings, num_envs: int, num_threads: int = 1) -> None:
        game = game_name(settings.id)
        if game is None:
            raise ValueError(f"no Atari game is called {settings.id!r}: envs.atari_games() lists them")
        if num_envs < 1 or num_threads < 1:
            raise ValueError(f"{num_envs} envs on {num_threads} threads: give at least one of each")
        self.num_envs = num_envs
        self._settings = settings
        self._game = game
        self._ale = emulators(game, settings, num_envs, num_threads)
        self.spec = EnvSpec((_side(settings),) * 2, np.dtype(np.uint8), Discrete(len(self._ale.ale.get_action_set())))
        self.protocol: Mapping[str, str | int | float | bool] = _protocol(game, settings, self.spec.num_actions)
        self._last: TimeStep | None = None
        self._flickers: list[np.random.Generator] = []  # of each env, for black frames
        self._lives = np.zeros(num_envs, np.int32)
        self._clock = np.zeros(num_envs, np.int64)  # the emulator's own frame count of the running game
        self._played = np.zeros(num_envs, np.int64)  # frames since the first one of the episode

    def reset(self, seed: int) -> TimeStep:
        """Begin an episode in every env, env e seeded with `seed + e`; see `BatchedEnv.reset`."""
        screen: NDArray[np.uint8]
        screen, info = self._ale.reset(seed=checked_seed(seed, self.num_envs))
        self._flickers = [np.random.default_rng([seed + e, 1]) for e in range(self.num_envs)]
        nothing = np.zeros(self.num_envs, np.int32)
        return self._observe(screen, nothing, nothing.astype(bool), info, np.ones(self.num_envs, np.bool_))

    def step(self, action: NDArray[np.integer[Any]]) -> TimeStep:
        """Act in every env; see `BatchedEnv.step`. `action` [E] indexes the game's action set."""
        # An action out of range would make ale-py wait forever for a worker that has died.
        action = checked_action(action, self.num_envs, self.spec.num_actions)
        if self._last is None:
            raise RuntimeError("the environment was never reset: call reset(seed) before step(action)")
        first = self._last.terminated | self._last.truncated
        screen, reward, terminated, _, info = self._ale.step(action)
        if self._last.truncated.any():
            # Truncation happens here, so the emulator must be reset as well. Without a seed it continues the random
            # sequence of the first one, as after a game over.
            screen, info = self._ale.reset(options={"reset_mask": self._last.truncated})
        return self._observe(screen, reward, terminated, info, first)

    def _observe(
        self,
        screen: NDArray[np.uint8],
        reward: NDArray[np.int32],
        terminated: NDArray[np.bool_],
        info: dict[str, NDArray[np.int32]],
        first: NDArray[np.bool_],
    ) -> TimeStep:
        """Convert the emulators' output to a time step; `first` [E] marks new games."""
        clock = info["episode_frame_number"].astype(np.int64)
        frames = np.where(first, 0, clock - self._clock)
        self._played = np.where(first, 0, self._played + frames)
        terminated = terminated & ~first
        truncated = (self._played >= self._settings.frame_cap) & ~terminated
        life_lost = (info["lives"] < self._lives) & ~terminated & ~first & self._settings.life_signal
        self._clock, self._lives = clock, info["lives"]
        frame = screen[:, 0]
        if self._settings.flicker:
            black = np.array([rng.random() < self._settings.flicker for rng in self._flickers])
            frame = np.where(black[:, None, None], np.uint8(0), frame)
        self._last = TimeStep(
            frame=frame,
            reward=np.where(first, 0, reward).astype(np.float32),
            first=first,
            terminated=terminated,
            truncated=truncated,
            life_lost=life_lost,
            frames=frames,
        )
        return self._last

    def render(self) -> NDArray[np.uint8]:
        """Return the frame of env 0, enlarged to about 336x336: uint8 [H, W, 3]; see `envs.colour` for colours."""
        if self._last is None:
            raise RuntimeError("the environment was never reset: call reset(seed) before render()")
        scale = max(_RENDERED // self._last.frame.shape[1], 1)
        enlarged = self._last.frame[0].repeat(scale, axis=0).repeat(scale, axis=1)
        return np.stack([enlarged] * 3, axis=-1)

    def close(self) -> None:
        """Free the emulators."""
        self._ale.close()


def emulators(
    game: str,
    settings: EnvSettings,
    num_envs: int,
    num_threads: int,
    *,
    screen: tuple[int, int] | None = None,
    grayscale: bool = True,
) -> AtariVectorEnv:
    """Create ale-py's vector environment with the settings' rules; `screen` is (height, width) of its observations."""
    height, width = screen or (_side(settings),) * 2
    return AtariVectorEnv(
        game,
        num_envs,
        batch_size=num_envs,
        num_threads=num_threads,  # 0 would use all cores of the machine, not those available to the process
        # `AtariEnv` truncates by its own count: in ale-py's truncation, the last frame misses the newest screens.
        max_num_frames_per_episode=2 * MAX_FRAME_CAP,
        repeat_action_probability=settings.sticky,
        full_action_space=settings.full_actions,
        continuous=False,
        autoreset_mode=AutoresetMode.NEXT_STEP,
        img_height=height,
        img_width=width,
        grayscale=grayscale,
        stack_num=1,
        frameskip=settings.frame_skip,
        maxpool=True,
        # ale-py draws from [0, noop_max - 1], and subtracts the presses of FIRE from that number.
        noop_max=settings.noop_max + 1,
        episodic_life=False,  # would begin a new game at every lost life
        life_loss_info=False,  # would mix lost lives into `terminated`; the counter of lives is used instead
        reward_clipping=False,  # would lose the raw score
        use_fire_reset=settings.fire_reset,
    )


def _side(settings: EnvSettings) -> int:
    return settings.image_size or _SIDE


def _protocol(game: str, settings: EnvSettings, num_actions: int) -> dict[str, str | int | float | bool]:
    side = _side(settings)
    flicker = {"flicker": settings.flicker} if settings.flicker else {}
    return {
        "suite": "atari",
        "game": game,
        "emulator": f"ale-py {ale_py.__version__}",
        "sticky": settings.sticky,
        "life_signal": settings.life_signal,
        "noop_max": settings.noop_max,
        "fire_reset": settings.fire_reset,
        "action_set": "full" if settings.full_actions else "minimal",
        "num_actions": num_actions,
        "frame_skip": settings.frame_skip,
        "frame_cap": settings.frame_cap,
        "frame": f"grayscale {side}x{side}, maximum of the last two",
        "game_ends": "game over, never a lost life",
        **flicker,
    }
