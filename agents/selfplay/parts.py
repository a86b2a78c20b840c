"""What self-play is made of, for whoever trains or judges it: deep Q-learning's parts, and games for two."""

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
    """E games for two, the other side played by the policies that lie in `folder`."""
    env = make_two_player_env(settings.env, num_envs)
    return OpponentEnv(env, LeagueOpponents(folder, settings, env.spec, report=report), zero_sum=zero_sum)


def make_env(settings: SelfPlaySettings, num_envs: int, num_threads: int) -> BatchedEnv:
    """The games of a fleet's runner."""
    return against(settings, Path(settings.league.folder), num_envs)


def trained_under(settings: AgentSettings) -> dict[str, Any]:
    """The rules of the games that a run learns from: a league's are for two, whatever it is judged by."""
    for_two = isinstance(settings, SelfPlaySettings)
    env = make_two_player_env(settings.env, 1) if for_two else registry.make_env(settings.env, 1)
    env.close()
    return {**env.protocol, **({"opponent": LeagueOpponents.name} if for_two else {})}
