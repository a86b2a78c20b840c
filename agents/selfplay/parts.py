"""What self-play is made of, for whoever trains or judges it: deep Q-learning's parts, and games for two."""

from __future__ import annotations

from pathlib import Path

from agents.dqn import parts
from agents.selfplay.opponents import LeagueOpponents
from agents.selfplay.settings import SelfPlaySettings
from envs.base import BatchedEnv
from envs.registry import make_two_player_env
from envs.two_players import OpponentEnv

make_network, make_policy, make_learner = parts.make_network, parts.make_policy, parts.make_learner
make_replay, policy_of, policy_with = parts.make_replay, parts.policy_of, parts.policy_with


def against(settings: SelfPlaySettings, folder: Path, num_envs: int, *, report: bool = True) -> OpponentEnv:
    """E games for two, the other side played by the policies that lie in `folder`."""
    env = make_two_player_env(settings.env, num_envs)
    return OpponentEnv(env, LeagueOpponents(folder, settings, env.spec, report=report))


def make_env(settings: SelfPlaySettings, num_envs: int, num_threads: int) -> BatchedEnv:
    """The games of a fleet's runner."""
    return against(settings, Path(settings.league.folder), num_envs)
