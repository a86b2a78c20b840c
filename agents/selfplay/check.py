"""What can be known of self-play's settings before anything starts."""

from __future__ import annotations

from agents.dqn import check as dqn
from agents.selfplay.exploiter import exploiter_settings
from agents.selfplay.settings import SelfPlaySettings
from envs.registry import make_two_player_env, read_spec
from envs.two_player_atari import two_player_game


def for_its_env(settings: SelfPlaySettings, usual: SelfPlaySettings) -> SelfPlaySettings:
    """The settings, without the preset's rules of Atari games where the env is none and nobody has changed them."""
    return settings if two_player_game(settings.env.id) is not None else dqn.for_its_env(settings, usual)


def check(settings: SelfPlaySettings) -> int:
    """Build the smallest envs of these settings, so that every mistake shows before anything starts.

    Returns the bytes of replay, an exploiter's included.

    Raises:
        ValueError: among others, players would not see and do the same as who is judged.
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
