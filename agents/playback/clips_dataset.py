"""Data set of clips of Atari games: consecutive colour frames in full size, stacked vertically."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.acting.episodes import play
from agents.acting.exploration import epsilon_greedy
from agents.playback.frames_dataset import EPSILON, Frames, Player, player_of, player_policy, render_once
from agents.saved_policy import SettingsOf
from envs.atari import game_name
from envs.colour import ColourAtari

LENGTH = 8  # frames of a clip
EVERY = 100  # agent steps between the starts of two clips
EPISODES = 10
LONGEST = 2_000  # most agent steps of an episode, for policies that never lose


def clips_file(name: str, cache: Path, settings_of: SettingsOf) -> Path:
    """Return an npz file of clips of the game or run called `name`, rendered once and cached in `cache`.

    Raises:
        ValueError: there is no such game or checkpoint, or it is not an Atari game.
    """
    player = player_of(name, settings_of)
    if game_name(player.rules.id) is None:
        raise ValueError(f"{player.rules.id} shows no screen in colour: use an Atari game, such as pong")
    file = cache / f"{Path(name).name}-clips-{player.key()}.npz"
    return render_once(file, lambda: render_clips(player))


def render_clips(player: Player, seed: int = 0) -> tuple[Frames, NDArray[np.int64]]:
    """Play ten episodes -> clips [N, 8 x 210, 160, 3] and the episode of each [N]; no clip spans two episodes."""
    clips, episodes = [], []
    rng = np.random.default_rng(seed)
    for episode in range(EPISODES):
        env = ColourAtari(player.rules)
        try:
            policy = player_policy(player, env.spec, rng)
            frames: list[Frames] = []
            start = int(rng.integers(EVERY))  # random, so that clips cover all times of a game
            for time, (step, _) in enumerate(
                play(env, policy, epsilon_greedy(np.full(1, EPSILON), rng), seed + episode)
            ):
                if (step.terminated | step.truncated).any() or time == LONGEST:
                    break
                if time < start or (time - start) % EVERY >= LENGTH:
                    continue
                frames.append(env.screen)
                if len(frames) == LENGTH:
                    clips.append(np.concatenate(frames))
                    episodes.append(episode)
                    frames = []
        finally:
            env.close()
    return np.stack(clips), np.array(episodes)
