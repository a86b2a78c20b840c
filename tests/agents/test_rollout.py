"""Rollouts in an env whose pixels encode env, episode and step, and replay of their chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.acting.exploration import ExplorationSettings
from agents.acting.policy import QPolicy
from agents.acting.rollout import TRAINING_SEEDS, ChunkStats, Rollout
from agents.replay.frames import from_blocks
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Batch, Chunk, ReplaySettings
from envs.base import TimeStep
from tests.coded_env import NUM_ACTIONS, Code, CodedEnv, decode, reward_of
from tests.replay_oracle import rows_of
from tests.specs import spec_of

ENVS, STACK, N = 3, 4, 3
GREEDY = ExplorationSettings(start=0.0, final=0.0)
RANDOM = ExplorationSettings(start=1.0, final=1.0)


class Recorder(QPolicy):
    """A policy that prefers action 1 and records every stack it gets."""

    stack = STACK

    def __init__(self) -> None:
        self.seen: list[NDArray[Any]] = []

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        self.seen.append(obs.copy())
        return np.tile(np.array([0.0, 2.0, 1.0], np.float32), (len(obs), 1))


class Seeded(CodedEnv):
    """An env that records the seeds of its resets."""

    def __init__(self, num_envs: int = ENVS) -> None:
        super().__init__(num_envs)
        self.seeds: list[int] = []

    def reset(self, seed: int) -> TimeStep:
        self.seeds.append(seed)
        return super().reset(seed)


def start(env: CodedEnv, exploration: ExplorationSettings = RANDOM, **where: Any) -> tuple[Rollout, Recorder]:
    """Return a rollout and its recording policy."""
    actor = Recorder()
    return Rollout(env, actor, exploration, seed=0, **where), actor


def shard_of(chunks: list[Chunk], n_step: int = N) -> ReplayShard:
    """Return a shard of 84x84 frames that holds all chunks."""
    settings = ReplaySettings(capacity=1000, n_step=n_step, learning_starts=0)
    shard = ReplayShard(settings, lanes=ENVS, spec=spec_of(), stack=STACK, gamma=0.9, seed=0)
    for chunk in chunks:
        shard.add(chunk)
    return shard


def newest(stacks: Any) -> list[Code]:
    """Return the code of the newest frame of each stack [B, P, K, D]."""
    return [decode(from_blocks(stack[:, -1], (84, 84))) for stack in np.asarray(stacks)]


def sampled(shard: ReplayShard) -> list[tuple[Code, Code, Batch, int]]:
    """Return (s, s', batch, index) of every transition in the shard, once."""
    batch = shard.sample(6000)
    _, index = np.unique(batch.key, return_index=True)
    before, after = newest(batch.obs[index]), newest(batch.next_obs[index])
    return [(s, t, batch, int(i)) for s, t, i in zip(before, after, index, strict=True)]


@pytest.mark.parametrize("lives", [(), (2,)])
def test_c1_c2_c3_c4_transitions_are_those_of_the_env(lives: tuple[int, ...]) -> None:
    """C1, C2, C3, C4: one episode each, no reset steps, true last frames, discount 0 at ends and lost lives."""
    env = CodedEnv(ENVS, life_lost_at=lives)
    rollout, _ = start(env)
    shard = shard_of([rollout.collect(16, 0)[0] for _ in range(6)])
    found = sampled(shard)
    for s, t, batch, i in found:
        assert s[:2] == t[:2], "a transition crosses episodes"
        length = env.length(s.env, s.episode)
        assert s.t < length, "the row of a reset step was drawn"
        ends = [*lives, length] if env.ending(s.env, s.episode) == "terminated" else list(lives)
        end = min([e for e in ends if s.t < e <= s.t + N and e <= length], default=None)
        if end == length and env.ending(s.env, s.episode) == "truncated":
            end = None
        assert t.t == (end if end is not None else min(s.t + N, length))
        rewards = [reward_of(s.env, s.episode, k) for k in range(s.t + 1, t.t + 1)]
        assert batch.reward[i].tolist() == rewards + [0.0] * (N - len(rewards))
        assert float(batch.discount[i]) == pytest.approx(0.0 if end is not None else 0.9 ** (t.t - s.t))
    drawn = {s for s, *_ in found}
    rows = [from_blocks(shard.frames[:96].numpy(), (84, 84))]
    complete = {decode(frame) for frame in rows[0][: 96 - N]}
    assert drawn >= {c for c in complete if c.t < env.length(c.env, c.episode)}, "a transition is missing"


def test_c2_actions_are_those_that_were_used() -> None:
    """C2: the action of every transition is the one that the env was given at the transition's row."""
    env = CodedEnv(ENVS)
    rollout, _ = start(env)
    shard = shard_of([rollout.collect(20, 0)[0] for _ in range(3)], n_step=1)
    batch = shard.sample(3000)
    taken = np.array(env.actions)
    for (lane, row), action in zip(rows_of(batch.key), batch.action.tolist(), strict=True):
        assert action == taken[row, lane]
    assert set(batch.action.tolist()) == set(range(NUM_ACTIONS))


def test_c10_replay_rebuilds_the_stacks_that_the_actor_saw_byte_for_byte() -> None:
    """C10: stacks are equal across episode starts, chunk boundaries, ring wraps (333 rows a lane) and a restart."""
    env = CodedEnv(ENVS, lengths=(5, 3, 8, 1), life_lost_at=(2,))
    rollout, actor = start(env)
    shard = shard_of([])
    for turn in range(30):
        shard.add(rollout.collect(13, 0)[0])
        if turn == 27:
            rollout.restart(99)
    assert shard.written[0] > shard.rows
    batch = shard.sample(2000)
    for (lane, row), obs in zip(rows_of(batch.key), batch.obs.numpy(), strict=True):
        np.testing.assert_array_equal(obs, actor.seen[row][lane])


def tallies(env: CodedEnv, turns: int = 6) -> ChunkStats:
    """Return all tallies of a rollout as one."""
    rollout, _ = start(env)
    parts = [rollout.collect(16, 0)[1] for _ in range(turns)]
    steps, frames = sum(p.agent_steps for p in parts), sum(p.frames for p in parts)
    return ChunkStats(steps, frames, [game for p in parts for game in p.episodes], 0.0, 0.0, 0.0)


def test_c2_c24_resets_are_neither_steps_nor_frames_and_frames_are_the_emulators() -> None:
    """C2, C24: steps and frames equal the env's own; short last actions keep frames below 4 x steps."""
    env = CodedEnv(ENVS)
    chunk_stats = tallies(env)
    twin = CodedEnv(ENVS)
    twin.reset(0)
    steps = [twin.step(np.zeros(ENVS, np.int64)) for _ in range(96)]
    assert chunk_stats.agent_steps == sum(int((~step.first).sum()) for step in steps) < 96 * ENVS
    assert chunk_stats.frames == sum(int(step.frames.sum()) for step in steps)
    assert chunk_stats.frames == 4 * chunk_stats.agent_steps - len(chunk_stats.episodes)


def test_c21_an_episode_scores_its_raw_rewards_over_all_lives() -> None:
    """C21: rewards are summed unclipped, and a lost life does not end the episode."""
    env = CodedEnv(ENVS, life_lost_at=(1, 2))
    played = [0] * ENVS
    games = tallies(env).episodes
    assert len(games) > 20
    for game in games:
        episode = played[game.lane]
        length = env.length(game.lane, episode)
        assert game.score == sum(reward_of(game.lane, episode, t) for t in range(1, length + 1))
        assert (game.steps, game.frames) == (length, 4 * length - 1)
        played[game.lane] += 1
    assert max(abs(game.score) for game in games) > 1


def test_c19_rows_carry_the_version_of_the_weights_that_acted() -> None:
    rollout, _ = start(CodedEnv(ENVS))
    shard = shard_of([rollout.collect(10, 0, version=version)[0] for version in (3, 8, 8, 11)])
    batch = shard.sample(500)
    for (_, row), version in zip(rows_of(batch.key), batch.version, strict=True):
        assert version == (3, 8, 8, 11)[row // 10]


def test_c18_a_runner_keeps_its_lanes_place_on_the_ladder() -> None:
    """C18: the same lane has the same epsilon wherever it runs, and after a restart of its runner."""
    ladder = ExplorationSettings(start=0.5, final=0.4, ladder=7.0, anneal_steps=100)
    whole, _ = start(CodedEnv(6), ladder)
    games = whole.collect(40, 100)[1].episodes
    wanted = {game.lane: game.epsilon for game in games}
    assert wanted[5] == pytest.approx(0.4**8)
    for era in (0, 7):
        part, _ = start(CodedEnv(3), ladder, lane=3, num_lanes=6, era=era)
        found = {game.lane: game.epsilon for game in part.collect(40, 100)[1].episodes}
        assert found == {lane: wanted[lane] for lane in (3, 4, 5)}


def test_a_greedy_lane_takes_the_best_action() -> None:
    env = CodedEnv(ENVS)
    rollout, _ = start(env, GREEDY)
    chunk, chunk_stats = rollout.collect(12, 0)
    assert set(chunk.action.ravel().tolist()) == {1}
    assert chunk_stats.q_mean == pytest.approx(2.0)


def test_c26_a_restart_depends_on_seed_lane_and_era_alone() -> None:
    """C26: restarts of the same era reset envs with the same seed; other lanes and eras have other seeds."""
    env = Seeded()
    rollout, _ = start(env)
    rollout.collect(7, 0)
    rollout.restart(500)
    fresh = Seeded()
    resumed, _ = start(fresh)
    resumed.restart(500)
    assert env.seeds == fresh.seeds
    other = Seeded()
    start(other, lane=3, num_lanes=6)
    assert len({*env.seeds, *other.seeds}) == 3
    assert max(env.seeds + other.seeds) < TRAINING_SEEDS
    rollout.collect(2, 0)
    assert (rollout.steps == 2).all(), "a restart forgets the episodes it broke off"
    assert set(rollout.frames.tolist()) == {8}
