"""Validation of deep Q-learning settings before a run starts."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from agents.dqn.settings import Settings
from agents.evaluation.protocol import check_rules
from agents.parts import parts_of
from agents.replay.frames import require_blocks
from envs import EnvSettings
from envs.atari import game_name
from envs.registry import read_spec, require_frames, require_numbers
from training.device import resolve_device
from training.process import require_memory

S = TypeVar("S", bound=Any)  # settings with an env


def for_its_env(settings: S, defaults: S) -> S:
    """Drop the preset's Atari rules if the env is not an Atari game and the user has not changed them."""
    return dataclasses.replace(settings, env=rules_for(settings.env, defaults.env))


def rules_for(env: EnvSettings, preset: EnvSettings) -> EnvSettings:
    """Return `env`; if it is not an Atari game and its rules are the preset's, keep only its image settings."""
    shown = EnvSettings(id=env.id, image_size=env.image_size, grayscale=env.grayscale)
    others = dataclasses.replace(preset, id=shown.id, image_size=shown.image_size, grayscale=shown.grayscale)
    return env if game_name(env.id) is not None or env != others else shown


def check(settings: Settings) -> int:
    """Build the smallest env and network of these settings, to find errors early.

    Returns the bytes of replay.
    """
    spec = read_spec(settings.env)
    require_frames(settings.env.id, spec)
    require_numbers(settings.env.id, spec)
    require_blocks(spec.frame_shape, spec.frame_dtype)
    check_rules(settings)
    parts_of(settings).make_network(settings, spec)
    needed = settings.replay_bytes(spec)
    settings.rows_per_lane()
    require_device(settings, needed)
    return needed


def require_device(settings: Settings, needed: int) -> None:
    """Check that the learner's device exists and can hold `needed` bytes of replay, if replay is on it.

    Raises:
        ValueError: it does not exist, or has too little memory.
    """
    if settings.fleet.learners == 0:  # learner actors may run on other machines
        device = resolve_device(settings.learner.device, "learner.device")
        if device.startswith("cuda") and settings.fleet.shards == 0:  # the frames lie there
            require_memory(needed, "replay", "lower --replay.capacity, or keep it in --fleet.shards", device)
