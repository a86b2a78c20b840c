"""Both placements of replay behind one interface, and a coded env whose transitions can be checked in batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch

from agents.acting.exploration import ExplorationSettings
from agents.acting.rollout import Rollout
from agents.dqn.learner import LearnerSettings
from agents.dqn.settings import Settings
from agents.replay.frames import from_blocks
from agents.replay.keys import LANE_BITS, SHARD_BITS
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Batch, Chunk, ReplaySettings
from agents.settings import FleetSettings
from cluster.fleet.checkpoint import each_shard
from cluster.fleet.replay import ShardedReplay, start_shards
from tests.cluster.helpers import PATIENCE, StillPolicy, wait_until
from tests.coded_env import Code, CodedEnv, decode, reward_of
from tests.specs import spec_of
from training.storage import checkpoint

RUNNERS, ENVS, TIME, CHUNKS = 2, 3, 6, 5
STACK, N_STEP, GAMMA, ALPHA = 4, 3, 0.9, 0.5


class InLearner:
    """Replay as one shard in this process."""

    def __init__(self, folder: Path, *, prioritized: bool) -> None:
        self.settings = run_settings(0, prioritized=prioritized)
        self.reset()

    def reset(self) -> None:
        s = self.settings
        self.shard = ReplayShard(s.replay, lanes=s.fleet.lanes, spec=spec_of(), stack=STACK, gamma=GAMMA, seed=1)
        self.sample, self.update_priorities = self.shard.sample, self.shard.update_priorities

    def add(self, runner: int, chunk: Chunk) -> None:
        self.shard.add(chunk)

    def mass(self) -> float:
        return self.shard.mass

    def save(self, path: Path) -> None:
        checkpoint.save(path / "replay-0", self.shard.state())

    def load(self, path: Path) -> None:
        self.shard.load_state(checkpoint.load(path / "replay-0"))

    def close(self) -> None:
        pass


class AsActors:
    """Replay as one shard per runner, each an actor; `reset` empties the shards for the next test."""

    def __init__(self, folder: Path, *, prioritized: bool) -> None:
        self.settings, self.empty = run_settings(RUNNERS, prioritized=prioritized), folder / f"empty-{prioritized}"
        self.shards = start_shards(self.settings, spec_of())
        self.save(self.empty)
        self.reset()

    def reset(self) -> None:
        self.load(self.empty)
        self.replay = ShardedReplay(self.shards, seed=1, prioritized=self.settings.replay.prioritized)
        self.sample, self.update_priorities = self.replay.sample, self.replay.update_priorities

    def add(self, runner: int, chunk: Chunk) -> None:
        wait_until(lambda: self._added(runner, chunk) or None)

    def _added(self, runner: int, chunk: Chunk) -> bool:
        try:
            ray.get(self.shards[runner].add.remote([ray.put(chunk)]), timeout=PATIENCE)
        except ray.exceptions.RayActorError:  # it is restarting
            return False
        return True

    def mass(self) -> float:
        return float(sum(ray.get([shard.mass.remote() for shard in self.shards], timeout=PATIENCE)))

    def save(self, path: Path) -> None:
        each_shard("save", self.shards, path)

    def load(self, path: Path) -> None:
        each_shard("load", self.shards, path)

    def close(self) -> None:
        for shard in self.shards:
            ray.kill(shard)


Place = InLearner | AsActors


def run_settings(shards: int, *, prioritized: bool) -> Settings:
    """Return settings whose replay is large enough for all transitions of these tests."""
    return Settings(
        replay=ReplaySettings(capacity=2_400, prioritized=prioritized, alpha=ALPHA, n_step=N_STEP, learning_starts=0),
        learner=LearnerSettings(gamma=GAMMA),
        fleet=FleetSettings(runners=RUNNERS, envs_per_runner=ENVS, chunk_steps=TIME, shards=shards),
    )


def env() -> CodedEnv:
    """Return a coded env with episodes of 1 to 8 steps, every other one truncated."""
    return CodedEnv(ENVS, lengths=(5, 1, 8, 3))


def play(place: Place, chunks: tuple[int, ...] = (CHUNKS,) * RUNNERS) -> list[Rollout]:
    """Add `chunks[r]` chunks of each runner r, the c-th with weights version c; return the rollouts."""
    rollouts = [
        Rollout(env(), StillPolicy(STACK), ExplorationSettings(), seed=0, lane=r * ENVS, num_lanes=RUNNERS * ENVS)
        for r in range(RUNNERS)
    ]
    for runner, (rollout, count) in enumerate(zip(rollouts, chunks, strict=True)):
        for version in range(count):
            place.add(runner, rollout.collect(TIME, 0, version)[0])
    return rollouts


def codes_of(obs: torch.Tensor) -> list[list[Code]]:
    """Return the decoded frames of stacks [B, P, K, D], oldest first."""
    frames = from_blocks(obs.numpy().swapaxes(1, 2), (84, 84))
    return [[decode(frame) for frame in stack] for stack in frames]


def checked(batch: Batch, *, lanes_begin_anywhere: bool = False) -> list[Code]:
    """Check every transition against the coded env; return the code of the last frame of every observation."""
    coded, starts = env(), []
    for b, (stack, next_stack) in enumerate(zip(codes_of(batch.obs), codes_of(batch.next_obs), strict=True)):
        lane, episode, t = stack[-1]
        left = coded.length(lane, episode) - t
        assert left > 0, "the last frame of an episode begins no transition"
        k = min(N_STEP, left)
        ended = k == left and coded.ending(lane, episode) == "terminated"
        assert batch.discount[b] == pytest.approx(0.0 if ended else GAMMA**k)
        rewards = [reward_of(lane, episode, t + 1 + i) if i < k else 0.0 for i in range(N_STEP)]
        assert batch.reward[b].tolist() == rewards
        assert next_stack[-1] == (lane, episode, t + k)
        oldest = stack[0].t if lanes_begin_anywhere else 0
        assert stack == [(lane, episode, max(t - age, oldest)) for age in reversed(range(STACK))]
        assert ((int(batch.key[b]) & ((1 << SHARD_BITS) - 1)) >> LANE_BITS) % ENVS == lane
        starts.append(stack[-1])
    return starts


def surprise(code: Code) -> float:
    """Return a TD error that depends only on the transition's first frame."""
    return 0.5 + (7 * code.t + 3 * code.episode + code.env) % 5


def settle(place: Place) -> None:
    """Update the priority of every transition to its TD error, then use up the prefetched batches."""
    for _ in range(16):
        batch = place.sample(256)
        errors = [surprise(stack[-1]) for stack in codes_of(batch.obs)]
        place.update_priorities(batch.key, np.array(errors, np.float32))
    place.mass()
    for _ in range(2):
        place.sample(256)


def lost_for_good(place: AsActors, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a killed shard that does not restart, and set the time to wait for its restart to 0."""
    monkeypatch.setattr("cluster.fleet.checkpoint.BACK_TIMEOUT", 0.0)
    shard = start_shards(place.settings, spec_of())[0]
    ray.kill(shard)
    return shard
