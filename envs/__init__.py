"""Envs: games behind one small interface, with automatic resets, explicit rules and raw scores."""

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
