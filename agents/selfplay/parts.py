"""Factories of self-play (see `agents.parts`): those of deep Q-learning, with two-player games."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.dqn import parts
from agents.selfplay.opponents import LeagueOpponents
from agents.selfplay.settings import SelfPlaySettings
from agents.settings import AgentSettings
from envs import registry
from envs.base import BatchedEnv
from envs.registry import make_two_player_env
from envs.two_players import OpponentEnv

make_network, make_learner = parts.make_network, parts.make_learner
make_replay, policy_with = parts.make_replay, parts.policy_with


def against(
    settings: SelfPlaySettings, folder: Path, num_envs: int, *, report: bool = True, zero_sum: bool = False
) -> OpponentEnv:
    """Create `num_envs` two-player games whose other side is played by the league in `folder`."""
    env = make_two_player_env(settings.env, num_envs)
    return OpponentEnv(env, LeagueOpponents(folder, settings, env.spec, report=report), zero_sum=zero_sum)


def make_env(settings: SelfPlaySettings, num_envs: int, num_threads: int) -> BatchedEnv:
    """Create the games of a fleet's runner."""
    return against(settings, Path(settings.league.folder), num_envs)


def trained_under(settings: AgentSettings) -> dict[str, Any]:
    """Return the rules of the training games: a league plays two-player games, whichever env it is evaluated in."""
    for_two = isinstance(settings, SelfPlaySettings)
    env = make_two_player_env(settings.env, 1) if for_two else registry.make_env(settings.env, 1)
    env.close()
    return {**env.protocol, **({"opponent": LeagueOpponents.name} if for_two else {})}
