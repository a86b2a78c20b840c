"""Registry of envs: from names such as "pong", "toy/catch" or "CartPole-v1" to envs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import gymnasium
import numpy as np

from envs.atari import AtariEnv, atari_games, game_name
from envs.base import BatchedEnv, EnvSettings, EnvSpec
from envs.duel import Duel
from envs.memory import RepeatPrevious, StatelessCartPole, TMaze
from envs.toy import Chain, PixelCatch
from envs.two_player_atari import ONLY_FOR_TWO, TwoPlayerAtari, two_player_game
from envs.two_players import OpponentEnv, RandomOpponents, TwoPlayerEnv
from envs.vector import GymnasiumEnv
from training.entry import import_entry_module

TOYS: dict[str, Callable[[int], BatchedEnv]] = {
    "toy/catch": PixelCatch,
    "toy/catch100": partial(PixelCatch, points=100),
    "toy/chain": Chain,
    **{f"toy/tmaze-{length}": partial(TMaze, length=length) for length in (5, 10, 20, 50, 100)},
    "toy/repeat-previous": RepeatPrevious,
    "toy/repeat-previous-32": partial(RepeatPrevious, k=32, decks=2),
    "toy/repeat-previous-64": partial(RepeatPrevious, k=64, decks=3),
    "toy/stateless-cartpole": StatelessCartPole,
    "toy/duel": lambda num_envs: against_random(Duel(num_envs)),
}
DUEL = "duel/"  # prefix of an Atari game's name: one side of its two-player game


def make_env(settings: EnvSettings, num_envs: int, num_threads: int = 1) -> BatchedEnv:
    """Create E = `num_envs` copies of the env that `settings.id` names.

    Args:
        settings: game and rules.
        num_envs: E.
        num_threads: emulator threads, for Atari games.

    Raises:
        ValueError: no such env, or Atari rules for another kind of env.
    """
    name = settings.id
    if num_envs < 1:
        raise ValueError(f"num_envs is {num_envs}: give at least 1")
    if game_name(name) is not None:
        return AtariEnv(settings, num_envs, num_threads)
    if name.lower().startswith(DUEL):
        return against_random(make_two_player_env(settings, num_envs))
    if ":" in name:
        _import_module_of(name)
    elif name not in TOYS and name not in _gymnasium_ids():
        raise ValueError(_unknown(name))
    own = replace(EnvSettings(id=name), image_size=settings.image_size, grayscale=settings.grayscale)
    if settings != own:
        raise ValueError(f"{name} is no Atari game: leave sticky and the other Atari rules alone")
    if name in TOYS:
        if own != EnvSettings(id=name):
            raise ValueError(f"{name} has frames of its own: leave image_size and grayscale alone")
        return TOYS[name](num_envs)
    return GymnasiumEnv(name, num_envs, image_size=settings.image_size, grayscale=settings.grayscale)


def read_spec(settings: EnvSettings) -> EnvSpec:
    """Return the spec of the env that `settings.id` names, by creating and closing one.

    Raises:
        ValueError: see `make_env`.
    """
    env = make_env(settings, 1)
    env.close()
    return env.spec


def make_two_player_env(settings: EnvSettings, num_envs: int) -> TwoPlayerEnv:
    """Create the two-player game named by `settings.id`: "duel/joust", "ALE/Pong-v5" (in two-player mode), "toy/duel".

    Raises:
        ValueError: no such game, or a rule that it does not support.
    """
    return Duel(num_envs) if settings.id == "toy/duel" else TwoPlayerAtari(settings, num_envs)


def against_random(env: TwoPlayerEnv) -> OpponentEnv:
    """Return one side of a two-player game, against a uniformly random opponent."""
    return OpponentEnv(env, RandomOpponents(env.spec.num_actions))


def require_frames(name: str, spec: EnvSpec) -> None:
    """Refuse an env whose observations a network cannot learn from.

    Raises:
        ValueError: it shows numbered states.
    """
    if spec.frame_dtype.kind == "i":
        raise ValueError(f"{name} only numbers its states: learn it by table, train taxi --env NAME")


def require_numbers(name: str, spec: EnvSpec) -> None:
    """Refuse an env without discrete actions.

    Raises:
        ValueError: it takes torques.
    """
    if spec.joints:
        raise ValueError(f"{name} takes torques, not numbered actions: train halfcheetah --env {name} learns those")


def require_torques(name: str, spec: EnvSpec) -> None:
    """Refuse an env without torques or without vector observations.

    Raises:
        ValueError: its actions are numbered, or it does not show float32 vectors.
    """
    if not spec.joints:
        raise ValueError(f"{name} has numbered actions, not torques: train cartpole --env {name}, or atari for pixels")
    if spec.frame_dtype != np.float32:
        raise ValueError(f"{name} takes torques but shows no vectors: choose an environment like HalfCheetah-v5")


def _import_module_of(name: str) -> None:
    """Import the module of "package.module:Id", which registers the id with Gymnasium.

    Raises:
        ValueError: there is no such module, or it does not register that id.
    """
    module, _, key = name.partition(":")
    import_entry_module(module, name)
    if key not in gymnasium.registry:
        raise ValueError(f"{name}: importing {module} registers no {key}: call gymnasium.register there")


def _gymnasium_ids() -> list[str]:
    """Return registered ids except ale-py's, whose old names ("PongNoFrameskip-v4") hide their rules."""
    return [key for key, spec in gymnasium.registry.items() if not str(spec.entry_point).startswith("ale_py")]


def _unknown(name: str) -> str:
    """Return a one-line error for an unknown name, with the closest known names."""
    if two_player_game(name) in ONLY_FOR_TWO:
        game = f"{DUEL}{two_player_game(name)}"
        return f"{name} is a game for two: {game} is it against a random player, train pong-duel --env {game} learns it"
    spoken = {key.lower(): key for key in [*TOYS, *_gymnasium_ids()]}
    spoken |= {game.replace("_", ""): f"ALE/{game.title().replace('_', '')}-v5" for game in atari_games()}
    low = name.lower()
    bare = re.sub(r"^ale/|(noframeskip|deterministic)?-v\d$|[_\s]", "", low)
    close = [spoken[key] for part in (bare, low) for key in difflib.get_close_matches(part, spoken, n=2)]
    hint = f"did you mean {' or '.join(dict.fromkeys(close))}? " if close else ""
    return f"no environment is called {name!r}: {hint}envs.atari_games() and gymnasium.registry list the names"
