"""Frames of games as a data set: rendered by our own envs, with random play or with a run's policy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.acting.episodes import play
from agents.acting.exploration import epsilon_greedy
from agents.acting.policy import Acted, Explore, Policy
from agents.saved_policy import SettingsOf, open_run, policy_of
from agents.settings import AgentSettings
from envs import BatchedEnv, EnvSettings, EnvSpec, make_env
from envs.atari import game_name
from envs.registry import read_spec
from training.storage import checkpoint
from training.storage.files import whole
from training.storage.run_dir import MARKER

RECIPE = "2"  # counts up when anything about the rendering below changes
FRAMES = 6_000
LANES = 24  # games at once
GAMES = 24  # that must have ended, so that frames are of all their stages
EVERY = 10  # agent steps between two frames that are kept: neighbours are near copies
LONGEST = 30_000  # agent steps, for policies that never lose
EPSILON = 0.05  # of a run's policy
SIDE = 64  # pixels
ROWS = 84  # of the frames in which these were counted
SCORELESS = {"space_invaders": (10, 84), "ms_pacman": (0, 69)}  # rows without score and lives

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Player:
    """An env's rules and who plays in it."""

    rules: EnvSettings
    settings: AgentSettings | None = None  # of the run whose policy plays; random play without
    checkpoint: Path | None = None

    def key(self, side: int = SIDE) -> str:
        """What the frames follow from. A policy trained anew may lie where another one lay."""
        saved = self.checkpoint and (self.checkpoint, checkpoint.checksum(self.checkpoint))
        made_of = f"{self.rules} {saved} {version('ale-py')} {RECIPE} {side}"
        return hashlib.sha256(made_of.encode()).hexdigest()[:12]


def frames_file(name: str, cache: Path, settings_of: SettingsOf, side: int = SIDE) -> Path:
    """An npz file of the frames of the env or run called `name`, rendered once and kept in `cache`.

    They are squares of `side` pixels.

    Raises:
        ValueError: there is no such env or checkpoint, or its frames are no pictures.
    """
    player = player_of(name, settings_of)
    return render_once(cache / f"{Path(name).name}-{player.key(side)}.npz", lambda: render(player, side))


def render_once(file: Path, rendered: Callable[[], tuple[Frames, NDArray[np.int64]]]) -> Path:
    """The file with images and the episode of each, rendered where it is not there."""
    if not file.exists():
        x, group = rendered()
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file, shared=True) as part:
            np.savez_compressed(part, x=x, group=group)
    return file


def player_of(name: str, settings_of: SettingsOf) -> Player:
    """Who plays in the env called `name`, or in that of the run in the directory `name`.

    Raises:
        ValueError: there is no such env or checkpoint, or its frames are no pictures.
    """
    player = Player(EnvSettings(id=name))
    if (Path(name) / MARKER).exists():
        run = open_run(Path(name), settings_of, f"{name} shows no frames of a game")
        player = Player(replace(run.settings.env, life_signal=False), run.settings, run.path.absolute())
    spec = read_spec(player.rules)
    if len(spec.frame_shape) != 2 or spec.frame_dtype != np.uint8:
        raise ValueError(f"{player.rules.id} shows no pictures: use an Atari game, such as space_invaders")
    return player


def render(player: Player, side: int = SIDE, seed: int = 0) -> tuple[Frames, NDArray[np.int64]]:
    """Play until there are enough frames -> at most 6,000 of them [N, side, side] and the episode of each [N]."""
    env = make_env(player.rules, LANES)
    try:
        rng = np.random.default_rng(seed)
        frames, episodes = _play(env, player_policy(player, env.spec, rng), rng, seed)
    finally:
        env.close()
    chosen = np.random.default_rng(seed).permutation(len(frames))[:FRAMES]
    return shrink(scoreless(frames[chosen], player.rules.id), side), episodes[chosen]


class RandomPolicy:
    """Any action, whatever it sees."""

    def __init__(self, num_actions: int, rng: np.random.Generator) -> None:
        self.num_actions, self.rng = num_actions, rng

    def start(self, num_envs: int) -> None:
        """Nothing is carried along."""

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: None, explore: Explore | None) -> Acted:
        """Each action as likely as any other."""
        action = self.rng.integers(self.num_actions, size=len(frame))
        return Acted(action, None, frame, np.zeros((len(frame), self.num_actions), np.float32))


def player_policy(player: Player, spec: EnvSpec, rng: np.random.Generator) -> Policy:
    """The run's policy, or random play."""
    if player.settings is None or player.checkpoint is None:
        return RandomPolicy(spec.num_actions, rng)
    policy: Policy = policy_of(checkpoint.load(player.checkpoint, only="learner"), player.settings)
    return policy


def _play(env: BatchedEnv, policy: Policy, rng: np.random.Generator, seed: int) -> tuple[Frames, NDArray[np.int64]]:
    """Every tenth frame of every lane [N, H, W] and its episode [N]."""
    frames, episodes, begun, ended = [], [], env.num_envs, 0
    episode = np.arange(env.num_envs)
    explore = epsilon_greedy(np.full(env.num_envs, EPSILON), rng)
    for time, (step, _) in enumerate(islice(play(env, policy, explore, seed), LONGEST)):
        if time:
            fresh = np.flatnonzero(step.first)
            episode[fresh] = begun + np.arange(len(fresh))
            begun += len(fresh)
        if time % EVERY == 0:
            frames.append(step.frame)
            episodes.append(episode.copy())
            if len(frames) * env.num_envs >= FRAMES and ended >= GAMES:
                break
        ended += int((step.terminated | step.truncated).sum())
    return np.concatenate(frames), np.concatenate(episodes)


def scoreless(frames: Frames, env: str) -> Frames:
    """Frames [N, H, W] of the env called `env` without the rows of score and lives, where those are known."""
    rows = SCORELESS.get(game_name(env) or "", (0, ROWS))
    top, bottom = (round(row * frames.shape[1] / ROWS) for row in rows)
    return frames[:, top:bottom]


def shrink(frames: Frames, side: int) -> Frames:
    """[N, H, W] -> [N, side, side], each pixel the brightest of those it covers: a bullet stays visible."""
    narrow = np.maximum.reduce([frames[:, :, index] for index in _covered(frames.shape[2], side)])
    found: Frames = np.maximum.reduce([narrow[:, index] for index in _covered(frames.shape[1], side)])
    return found


def _covered(size: int, side: int) -> list[NDArray[np.int64]]:
    """Of the pixels that each of `side` pixels covers: the first, the second and so on; the last one may come again."""
    first = np.arange(side) * size // side
    last = -(-(np.arange(side) + 1) * size // side) - 1
    return [np.minimum(first + place, last) for place in range(int((last - first).max()) + 1)]
