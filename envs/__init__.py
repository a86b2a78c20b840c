"""Envs: games behind one small interface, with resets hidden, rules explicit and scores raw."""

from envs.atari import AtariEnv, atari_games
from envs.base import BatchedEnv, EnvSettings, EnvSpec, TimeStep, classic, machado
from envs.registry import make_env

__all__ = [
    "AtariEnv",
    "BatchedEnv",
    "EnvSettings",
    "EnvSpec",
    "TimeStep",
    "atari_games",
    "classic",
    "machado",
    "make_env",
]
