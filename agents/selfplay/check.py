"""Validation of self-play settings before a run starts."""

from __future__ import annotations

from agents.dqn import check as dqn
from agents.selfplay.exploiter import exploiter_settings
from agents.selfplay.settings import SelfPlaySettings
from envs.registry import make_two_player_env, read_spec
from envs.two_player_atari import two_player_game


def for_its_env(settings: SelfPlaySettings, defaults: SelfPlaySettings) -> SelfPlaySettings:
    """Drop the preset's Atari rules if the env is not an Atari game and the user has not changed them."""
    return settings if two_player_game(settings.env.id) is not None else dqn.for_its_env(settings, defaults)


def check(settings: SelfPlaySettings) -> int:
    """Build the smallest envs of these settings, to find errors before the run starts.

    Returns the bytes of replay, an exploiter's included.

    Raises:
        ValueError: a setting is invalid, or the two-player game and the evaluation env differ in frames or actions.
    """
    if settings.league.folder:
        raise ValueError("league.folder is the run directory's: leave it out")
    both = make_two_player_env(settings.env, 1)
    both.close()
    judged = read_spec(settings.env)
    if both.spec != judged:
        shown = f"{both.spec.num_actions} actions for two, {judged.num_actions} for one"
        raise ValueError(f"{settings.env.id} has {shown}: use --full-actions, or --env duel/... to be judged by two")
    needed = dqn.check(settings)
    if not settings.league.exploit_every:
        return needed
    return needed + exploiter_settings(settings, settings.league.exploit_steps, 0).replay_bytes(both.spec)
