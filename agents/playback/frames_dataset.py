"""Data set of frames of games, rendered by our own envs under random play or a run's policy."""

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
from agents.acting.policy import Explore, Policy, PolicyOutput
from agents.saved_policy import SettingsOf, open_run, policy_of
from agents.settings import AgentSettings
from envs import BatchedEnv, EnvSettings, EnvSpec, make_env
from envs.atari import game_name
from envs.registry import read_spec
from training.storage import checkpoint
from training.storage.files import whole
from training.storage.run_dir import MARKER

RECIPE = "2"  # increment when the rendering below changes
FRAMES = 6_000
LANES = 24  # games in parallel
GAMES = 24  # least number of finished games, so that frames cover all stages of a game
EVERY = 10  # agent steps between two stored frames: neighbours are nearly the same
LONGEST = 30_000  # most agent steps of each lane, for policies that never lose
EPSILON = 0.05  # of a run's policy
SIDE = 64  # pixels
ROWS = 84  # frame height that SCORELESS refers to
SCORELESS = {"space_invaders": (10, 84), "ms_pacman": (0, 69)}  # rows without score and lives

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Player:
    """An env's rules and the policy that plays in it."""

    rules: EnvSettings
    settings: AgentSettings | None = None  # of the run whose policy plays; None for random play
    checkpoint: Path | None = None

    def key(self, side: int = SIDE) -> str:
        """Return a digest of all that determines the frames: the checkpoint's checksum too, as paths are reused."""
        saved = self.checkpoint and (self.checkpoint, checkpoint.checksum(self.checkpoint))
        made_of = f"{self.rules} {saved} {version('ale-py')} {RECIPE} {side}"
        return hashlib.sha256(made_of.encode()).hexdigest()[:12]


def frames_file(name: str, cache: Path, settings_of: SettingsOf, side: int = SIDE) -> Path:
    """Return an npz file of frames, `side` pixels square, of the env or run called `name`; cached in `cache`.

    Raises:
        ValueError: there is no such env or checkpoint, or its frames are not images.
    """
    player = player_of(name, settings_of)
    return render_once(cache / f"{Path(name).name}-{player.key(side)}.npz", lambda: render(player, side))


def render_once(file: Path, rendered: Callable[[], tuple[Frames, NDArray[np.int64]]]) -> Path:
    """Return `file`, with images `x` and the episode of each, `group`; render it if it does not exist."""
    if not file.exists():
        x, group = rendered()
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file, shared=True) as part:
            np.savez_compressed(part, x=x, group=group)
    return file


def player_of(name: str, settings_of: SettingsOf) -> Player:
    """Return the policy of the run in the directory `name`, or random play in the env called `name`.

    Raises:
        ValueError: there is no such env or checkpoint, or its frames are not images.
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
    """Policy with uniformly random actions."""

    def __init__(self, num_actions: int, rng: np.random.Generator) -> None:
        self.num_actions, self.rng = num_actions, rng

    def start(self, num_envs: int) -> None:
        """Return no carry."""

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: None, explore: Explore | None) -> PolicyOutput:
        """Draw the actions uniformly; frames and `explore` are ignored."""
        action = self.rng.integers(self.num_actions, size=len(frame))
        return PolicyOutput(action, None, frame, np.zeros((len(frame), self.num_actions), np.float32))


def player_policy(player: Player, spec: EnvSpec, rng: np.random.Generator) -> Policy:
    """Load the run's policy, or return random play."""
    if player.settings is None or player.checkpoint is None:
        return RandomPolicy(spec.num_actions, rng)
    policy: Policy = policy_of(checkpoint.load(player.checkpoint, only="learner"), player.settings)
    return policy


def _play(env: BatchedEnv, policy: Policy, rng: np.random.Generator, seed: int) -> tuple[Frames, NDArray[np.int64]]:
    """Play, and return every tenth frame of every lane [N, H, W] and its episode [N]."""
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
    """Crop frames [N, H, W] to the rows without score and lives, if those are known for the env called `env`."""
    rows = SCORELESS.get(game_name(env) or "", (0, ROWS))
    top, bottom = (round(row * frames.shape[1] / ROWS) for row in rows)
    return frames[:, top:bottom]


def shrink(frames: Frames, side: int) -> Frames:
    """Resize [N, H, W] -> [N, side, side] by the maximum of the pixels covered, which keeps bullets visible."""
    narrow = np.maximum.reduce([frames[:, :, index] for index in _covered(frames.shape[2], side)])
    found: Frames = np.maximum.reduce([narrow[:, index] for index in _covered(frames.shape[1], side)])
    return found


def _covered(size: int, side: int) -> list[NDArray[np.int64]]:
    """Return index arrays [side]: the first source pixel that each target pixel covers, the second, and so on.

    The last covered pixel is repeated where a target pixel covers fewer than others.
    """
    first = np.arange(side) * size // side
    last = -(-(np.arange(side) + 1) * size // side) - 1
    return [np.minimum(first + place, last) for place in range(int((last - first).max()) + 1)]
