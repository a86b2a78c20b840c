"""A rollout as PQN learns from it. Legend: T time, E envs, P blocks, K stack, D values a block."""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import Acted
from agents.acting.rollout import ChunkStats, Rollout


class Experience(NamedTuple):
    """T rows of E envs."""

    obs: NDArray[Any]  # [T, E, P, K, D]
    action: NDArray[np.uint16]  # [T, E]
    reward: NDArray[np.float32]  # [T, E] raw
    terminal: NDArray[np.bool_]  # [T, E] no value lies beyond this action
    complete: NDArray[np.bool_]  # [T, E] the action was done: the next row does not begin an episode
    value: NDArray[np.float32]  # [T + 1, E] max_a Q as the acting network saw it


def play_on(rollout: Rollout, stack: int, time: int, agent_steps: int) -> tuple[Experience, ChunkStats]:
    """Play T rows, and look at the frames behind them, whose values the last actions are judged by."""
    envs, (blocks, depth) = rollout.env.num_envs, rollout.blocks
    obs = np.empty((time, envs, blocks, stack, depth), rollout.env.spec.frame_dtype)
    value, rows = np.empty((time + 1, envs), np.float32), count()

    def see(acted: Acted) -> None:
        row = next(rows)
        obs[row], value[row] = acted.obs, acted.values.max(1)

    chunk, chunk_stats = rollout.collect(time, agent_steps, see=see)
    value[time] = rollout.look().values.max(1)
    begins = np.concatenate([chunk.first[1:], rollout.first[None]])
    return Experience(obs, chunk.action, chunk.reward, chunk.terminal, ~begins, value), chunk_stats
