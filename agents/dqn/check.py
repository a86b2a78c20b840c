"""What can be known of deep Q-learning's settings before anything starts."""

from __future__ import annotations

import dataclasses

from agents.dqn.presets import PRESETS
from agents.dqn.settings import Settings
from agents.networks.q_network import QNetwork
from envs import WorldSettings, make_world
from envs.atari import game_name
from envs.registry import require_frames


def for_its_world(settings: Settings, preset: str) -> Settings:
    """The settings, without the preset's rules of Atari games where the world is none and nobody has changed them."""
    world = settings.world
    own = dataclasses.replace(PRESETS[preset]().world, env=world.env)
    if game_name(world.env) is not None or world != own:
        return settings
    return dataclasses.replace(settings, world=WorldSettings(env=world.env))


def check(settings: Settings) -> int:
    """Build the smallest world of these settings, so that every mistake shows before anything starts.

    Returns the bytes of replay.
    """
    world = make_world(settings.world, 1)
    require_frames(settings.world.env, world)
    QNetwork(settings.network, world.frame_shape, world.num_actions)
    needed = settings.replay_bytes(world.frame_shape, world.frame_dtype.itemsize)
    world.close()
    settings.rows_per_lane()
    if settings.fleet.learners == 0:  # others run where the GPUs are
        settings.learner.resolve_device()
    return needed
