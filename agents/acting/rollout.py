"""Rollouts: an env and a policy produce chunks for replay. Legend: T time, E lanes, A actions."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.acting.exploration import ExplorationSettings, epsilon_greedy, epsilons
from agents.acting.policy import Policy, PolicyOutput
from agents.acting.priorities import ActorPriorities
from agents.replay.frames import blocks_shape, colours_of, to_blocks
from agents.replay.transitions import Chunk, stored_action
from envs.base import BatchedEnv, TimeStep

TRAINING_SEEDS = 1 << 30  # env seeds of training are below, those of evaluation above


class Episode(NamedTuple):
    """One finished training game."""

    score: float  # raw, undiscounted, over all lives
    steps: int  # agent steps
    frames: int  # emulator frames
    lane: int
    epsilon: float  # when it ended


@dataclass
class ChunkStats:
    """Statistics of one chunk."""

    agent_steps: int
    frames: int
    episodes: list[Episode]
    q_mean: float | None  # mean of max_a Q over the chunk; None for a policy without values
    env_seconds: float  # in the emulator, with bookkeeping of rows
    policy_seconds: float  # in the network


LANE_STEPS = 5_000  # agent steps per lane between checkpoints, which end episodes: longer than most games


class Rollout:
    """Plays E lanes endlessly. Lane numbers are global: `lane` is this runner's first of `num_lanes`.

    With `priorities`, chunks include the priorities of their transitions.
    """

    def __init__(
        self,
        env: BatchedEnv,
        policy: Policy,
        exploration: ExplorationSettings,
        *,
        seed: int,
        lane: int = 0,
        num_lanes: int | None = None,
        era: int = 0,
        priorities: ActorPriorities | None = None,
    ) -> None:
        self.env, self.policy, self.exploration = env, policy, exploration
        self.seed, self.lane, self.num_lanes = seed, lane, num_lanes or env.num_envs
        self.priorities = priorities
        self.rng = np.random.default_rng([seed, lane])
        self.blocks, self.colours = blocks_shape(env.spec.frame_shape), colours_of(env.spec.frame_shape)
        self.restart(era)

    def restart(self, era: int) -> None:
        """End the running episodes and begin new ones, seeded by the run's seed, the lane and `era` only.

        The emulator's state cannot be saved, so runs restart here after writing a checkpoint as well as after loading
        it, and both continue alike.
        """
        seeds = np.random.SeedSequence([self.seed, self.lane, era])
        self._observe(self.env.reset(int(seeds.generate_state(1)[0] >> 3)))
        self.carry = self.policy.start(self.env.num_envs)
        self.score = np.zeros(self.env.num_envs)
        self.steps = np.zeros(self.env.num_envs, np.int64)
        self.frames = np.zeros(self.env.num_envs, np.int64)
        if self.priorities is not None:
            self.priorities.restart()
        self.rows = 0
        self.life = secrets.randbelow(2**62) + 1  # identifies chunks; has no effect on learning

    def _observe(self, step: TimeStep) -> None:
        self.current = to_blocks(step.frame, self.colours)
        self.first = step.first

    def collect(
        self, time: int, agent_steps: int, version: int = 0, see: Callable[[PolicyOutput], None] = lambda acted: None
    ) -> tuple[Chunk, ChunkStats]:
        """Play T steps in every lane.

        Args:
            time: T, rows per lane.
            agent_steps: steps of the whole fleet so far, for the epsilon schedule.
            version: of the network's weights, stored with the rows.
            see: called at every row with the policy's output.

        Raises:
            FloatingPointError: the env gave a reward or an observation that is not finite.
        """
        envs, mine = self.env.num_envs, slice(self.lane, self.lane + self.env.num_envs)
        epsilon = epsilons(self.exploration, self.num_lanes, agent_steps)[mine]
        explore = epsilon_greedy(epsilon, self.rng)._replace(noise=lambda: int(self.rng.integers(2**32)))
        frames = np.empty((time, envs, *self.blocks), self.env.spec.frame_dtype)
        action = np.empty((time, envs), stored_action(self.env.spec))
        reward = np.empty((time, envs), np.float32)
        terminal, first = np.empty((time, envs), np.bool_), np.empty((time, envs), np.bool_)
        q_taken, q_max = np.zeros((time, envs), np.float32), np.zeros((time, envs), np.float32)
        chunk_stats = ChunkStats(0, 0, [], None, 0.0, 0.0)
        memory: NDArray[np.float32] | None = None  # before the first row
        for t in range(time):
            started = perf_counter()
            acted = self.policy.act(self.current, self.first, self.carry, explore)
            acting = perf_counter()
            self.carry = acted.carry
            if t == 0:
                memory = acted.memory
            see(acted)
            frames[t], first[t], action[t] = self.current, self.first, acted.action
            step = self.env.step(acted.action)
            reward[t], terminal[t] = step.reward, step.terminated | step.life_lost
            self._observe(step)
            self._count(step, epsilon, chunk_stats)
            if acted.values.size:
                q_max[t] = acted.values.max(1)
            if self.priorities is not None:
                q_taken[t] = acted.values[np.arange(envs), acted.action]
            chunk_stats.policy_seconds += acting - started
            chunk_stats.env_seconds += perf_counter() - acting
        chunk_stats.q_mean = float(q_max.mean()) if acted.values.size else None
        self._refuse_broken(reward=reward, observation=frames)
        priority = None
        if self.priorities is not None:
            priority = self.priorities.of(q_taken, q_max, reward, terminal, first)
        place = self.lane, version, self.rows, self.life
        self.rows += time
        return Chunk(frames, action, reward, terminal, first, *place, priority, memory), chunk_stats

    def look(self) -> PolicyOutput:
        """Return the policy's output for the next chunk's first frames, without changing any state."""
        return self.policy.act(self.current, self.first, copy.deepcopy(self.carry), None)

    def _refuse_broken(self, **fields: NDArray[Any]) -> None:
        """Check once per chunk that rewards and observations [T, E, ...] are finite."""
        for name, values in fields.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                place = tuple(np.argwhere(~np.isfinite(values))[0])
                game = self.env.protocol.get("env", self.env.protocol["suite"])
                raise FloatingPointError(
                    f"{game} gave the {name} {values[place]} in env {place[1]}: repair the environment"
                )

    def _count(self, step: TimeStep, epsilon: NDArray[np.float64], chunk_stats: ChunkStats) -> None:
        """Add a time step to the chunk's statistics; resets are neither steps nor frames."""
        chunk_stats.agent_steps += int((~step.first).sum())
        chunk_stats.frames += int(step.frames.sum())
        self.score += step.reward
        self.steps += ~step.first
        self.frames += step.frames
        for e in np.flatnonzero(step.terminated | step.truncated):
            chunk_stats.episodes.append(
                Episode(
                    float(self.score[e]),
                    int(self.steps[e]),
                    int(self.frames[e]),
                    self.lane + int(e),
                    float(epsilon[e]),
                )
            )
            self.score[e], self.steps[e], self.frames[e] = 0.0, 0, 0
