"""Rollouts for the PQN learner. Legend: T time, E envs, P blocks, K stack, D values a block."""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import PolicyOutput
from agents.acting.rollout import ChunkStats, Rollout
from agents.replay.frames import FrameStack


class Experience(NamedTuple):
    """T rows of E envs."""

    obs: NDArray[Any]  # [T, E, P, K, D]
    action: NDArray[np.uint16]  # [T, E]
    reward: NDArray[np.float32]  # [T, E] raw
    terminal: NDArray[np.bool_]  # [T, E] do not bootstrap after this action
    complete: NDArray[np.bool_]  # [T, E] the action was executed: the next row does not begin an episode
    value: NDArray[np.float32]  # [T + 1, E] max_a Q of the acting network


def collect(rollout: Rollout, stack: int, time: int, agent_steps: int) -> tuple[Experience, ChunkStats]:
    """Play T rows, and evaluate the frames that follow for the bootstrap values."""
    envs, (blocks, depth) = rollout.env.num_envs, rollout.blocks
    obs = np.empty((time, envs, blocks, stack, depth), rollout.env.spec.frame_dtype)
    value, rows = np.empty((time + 1, envs), np.float32), count()

    def see(acted: PolicyOutput) -> None:
        row = next(rows)
        obs[row], value[row] = acted.obs, acted.values.max(1)

    chunk, chunk_stats = rollout.collect(time, agent_steps, see=see)
    value[time] = rollout.look().values.max(1)
    begins = np.concatenate([chunk.first[1:], rollout.first[None]])
    return Experience(obs, chunk.action, chunk.reward, chunk.terminal, ~begins, value), chunk_stats


def concatenated(parts: list[Experience]) -> Experience:
    """Concatenate rollouts of equal length along their envs."""
    return Experience(*(np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True)))


class SingleFrames(NamedTuple):
    """An experience for transfer to another process: every frame once, instead of K times in stacks."""

    frames: NDArray[Any]  # [K - 1 + T, E, P, D] older ones of the first stack, then the newest of each row
    action: NDArray[np.uint16]  # the other fields as in `Experience`
    reward: NDArray[np.float32]
    terminal: NDArray[np.bool_]
    complete: NDArray[np.bool_]
    value: NDArray[np.float32]


def single_frames(seen: Experience) -> SingleFrames:
    """Reduce an experience to single frames; `stacked` is the inverse."""
    older = np.moveaxis(seen.obs[0, :, :, :-1], 2, 0)  # [K - 1, E, P, D]
    return SingleFrames(np.concatenate([older, seen.obs[:, :, :, -1]]), *seen[1:])


def stacked(sent: SingleFrames) -> Experience:
    """Invert `single_frames`: rebuild the stacks as the rollout built them."""
    frames, time = sent.frames, len(sent.action)
    stack = FrameStack(len(frames) - time + 1)
    stack.stack = np.moveaxis(frames[: stack.depth], 0, 2).copy()
    obs = np.empty((time, *stack.stack.shape), frames.dtype)
    obs[0] = stack.stack
    for t in range(1, time):
        obs[t] = stack.push(frames[stack.depth - 1 + t], ~sent.complete[t - 1])
    return Experience(obs, *sent[1:])
