"""Environments of RLlib's users: classes, names of `tune.register_env`, and ids registered in the driver only."""

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
    """Return the name of an environment in the settings; for a class it is module and name."""
    if isinstance(env, type):
        return re.sub(r"[^\w.-]", "_", f"{env.__module__}.{env.__qualname__}")
    return str(env).removeprefix("ale_py:")


def gym_spec_of(env: Any) -> Any:
    """Return Gymnasium's spec of an id that other processes may not know; None for built-in ids."""
    spec = gymnasium.registry.get(env) if isinstance(env, str) else None
    if spec is None or str(spec.entry_point).startswith(("gymnasium.", "ale_py")):
        return None
    return spec


def announcement(config: Any) -> Callable[[int], None] | None:
    """Return a function by which a runner registers the config's environment; None if it is built in.

    Unpickling it imports RLlib, which takes a second.
    """
    known = creator_of(config.env) is None and config.env_spec is None
    return None if known else functools.partial(announce, config)


def creator_of(env: Any) -> Any:
    """Return the class or creator function of a user's env; None for a built-in one."""
    if isinstance(env, type):
        return env
    name = name_of(env)
    return _global_registry.get(ENV_CREATOR, name) if _global_registry.contains(ENV_CREATOR, name) else None


def announce(config: Any, worker_index: int = 0) -> None:
    """Register the config's environment with Gymnasium in this process, under its name in the settings.

    Raises:
        ValueError: the name is that of a built-in env, or the env takes no `env_config`.
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
    gymnasium.registry.pop(name, None)  # the last registration wins, as in RLlib
    context = dict(config.env_config)
    gymnasium.register(name, entry_point=lambda **_: creator(EnvContext(context, worker_index)))


def check(config: Any) -> None:
    """Build the smallest env of a config in this process, to find errors before actors start.

    Raises:
        ValueError: the env does not exist or is unsupported.
    """
    announce(config)
    settings = config.to_settings().env
    require_frames(settings.id, read_spec(settings))
