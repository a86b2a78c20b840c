"""Gymnasium's text games, whose states are numbered: variants registered by name, and time limits.

They have their transition model as a table P: `P[state][action]` lists (probability, next state, reward, terminated).
"""

from __future__ import annotations

import gymnasium

# Agent steps until truncation, for games that Gymnasium registers without a limit: an episode ends even if a policy
# walks in circles.
TIME_LIMITS = {"CliffWalking-v1": 1_000, "CliffWalkingSlippery-v1": 1_000}
_LAKE = "gymnasium.envs.toy_text.frozen_lake:FrozenLakeEnv"
_FIRM = {"FrozenLakeNotSlippery-v1": ("4x4", 100), "FrozenLake8x8NotSlippery-v1": ("8x8", 200)}  # map, time limit

for _name, (_map, _limit) in _FIRM.items():
    _options = {"map_name": _map, "is_slippery": False}
    gymnasium.register(_name, entry_point=_LAKE, max_episode_steps=_limit, kwargs=_options)


def time_limit(env: str) -> int | None:
    """Return the agent steps after which an episode of a Gymnasium env is truncated; None without a limit."""
    name = env.rpartition(":")[2]
    return gymnasium.spec(name).max_episode_steps or TIME_LIMITS.get(name)
