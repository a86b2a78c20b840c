"""Worlds: games behind one small interface, with resets hidden, rules explicit and scores raw."""

from envs.atari import AtariWorld, atari_games
from envs.base import TimeStep, World, WorldSettings, classic, machado
from envs.registry import make_world

__all__ = [
    "AtariWorld",
    "TimeStep",
    "World",
    "WorldSettings",
    "atari_games",
    "classic",
    "machado",
    "make_world",
]
