"""Environments as RLlib's users name them: classes, names of `tune.register_env`, ids of the driver's own Gymnasium."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import gymnasium
from ray.rllib.env.env_context import EnvContext
from ray.tune.registry import ENV_CREATOR, _global_registry

from envs.atari import game_name
from envs.registry import TOYS, read_spec, require_frames


def name_of(env: Any) -> str:
    """The name by which the settings know an environment: a class goes by its module's name and its own."""
    if isinstance(env, type):
        return re.sub(r"[^\w.-]", "_", f"{env.__module__}.{env.__qualname__}")
    return str(env).removeprefix("ale_py:")


def gym_spec_of(env: Any) -> Any:
    """What Gymnasium knows of an id that other processes may not know; None where they do."""
    spec = gymnasium.registry.get(env) if isinstance(env, str) else None
    if spec is None or str(spec.entry_point).startswith(("gymnasium.", "ale_py")):
        return None
    return spec


def announcement(config: Any) -> Callable[[int], None] | None:
    """What a runner's process calls to know the environment of a `QuarterdeckConfig`; None where it knows it anyway.

    It brings RLlib along, whose import takes a second.
    """
    known = creator_of(config.env) is None and config.env_spec is None
    return None if known else functools.partial(announce, config)


def creator_of(env: Any) -> Any:
    """Who makes an env that RLlib's users brought: a class, or what `tune.register_env` was given; else None."""
    if isinstance(env, type):
        return env
    name = name_of(env)
    return _global_registry.get(ENV_CREATOR, name) if _global_registry.contains(ENV_CREATOR, name) else None


def announce(config: Any, worker_index: int = 0) -> None:
    """Have Gymnasium know, in this process, the environment of a `QuarterdeckConfig` by the settings' name for it.

    Raises:
        ValueError: the name is taken by an env of ours, or `env_config` has nobody to read it.
    """
    name, spec, creator = name_of(config.env), config.env_spec, creator_of(config.env)
    if creator is None:
        if config.env_config:
            raise ValueError(f"env_config is for classes and tune.register_env: {name} takes none, see env.*")
        if spec is not None and spec.id == name:
            gymnasium.registry.setdefault(name, spec)
        return
    if name in TOYS or game_name(name) is not None:
        raise ValueError(f"{name} is an environment of Quarterdeck's own: register yours under another name")
    gymnasium.registry.pop(name, None)  # who registered last is right, as for RLlib
    context = dict(config.env_config)
    gymnasium.register(name, entry_point=lambda **_: creator(EnvContext(context, worker_index)))


def check(config: Any) -> None:
    """Build the smallest env of a config here, so that every mistake shows before any process starts.

    Raises:
        ValueError: there is no such env, or it cannot be learned.
    """
    announce(config)
    settings = config.to_settings().env
    require_frames(settings.id, read_spec(settings))
