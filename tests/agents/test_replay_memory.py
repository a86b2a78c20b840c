"""Frames and memory of a replay shard: C11."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete

from agents.dqn.settings import Settings
from agents.networks.q_network import NetworkSettings
from agents.replay.shard import ReplayShard
from agents.replay.transitions import ReplaySettings
from envs.base import EnvSpec
from tests.replay_oracle import Game, chunk_of, lane_rows, make_shard, rows_of
from tests.specs import spec_of

GAMES = [Game(5, "terminated"), Game(3, "truncated"), Game(8, "terminated", lives=(2,))]


def array_bytes() -> int:
    """Return the bytes that numpy has allocated since tracing began and still holds."""
    arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)


@pytest.mark.parametrize("prioritized", [False, True])
def test_c11_a_row_takes_7300_bytes_at_most_and_memory_is_what_settings_say(prioritized: bool) -> None:
    """C11: a shard takes capacity x (7,056 bytes + metadata) within 5 % by numpy's count, empty and in use."""
    settings = Settings(
        replay=ReplaySettings(capacity=3000, prioritized=prioritized, learning_starts=0), network=NetworkSettings()
    )
    chunk = chunk_of([lane_rows(0, GAMES, 20)] * 3, 0)
    chunk = chunk._replace(frames=np.ones((20, 3, 441, 16), np.uint8))
    tracemalloc.start()
    shard = ReplayShard(settings.replay, lanes=3, spec=spec_of(), stack=4, gamma=0.99, seed=0)
    allocated = array_bytes()
    for _ in range(60):
        shard.add(chunk)
    used = array_bytes()
    tracemalloc.stop()
    metadata = 11 + (32 if prioritized else 0)
    for measured in (allocated, used, settings.replay_bytes(spec_of())):
        assert measured == pytest.approx(3000 * (7056 + metadata), rel=0.05)
        assert measured / 3000 <= 7300


def test_a_float_env_costs_its_own_item_size() -> None:
    settings = Settings(replay=ReplaySettings(capacity=1000, learning_starts=0))
    assert settings.replay_bytes(spec_of((4,))) == 1000 * (16 + 12)


def test_frames_may_be_read_only() -> None:
    """A chunk of read-only arrays, as an object store gives them, is inserted."""
    chunk = chunk_of([lane_rows(0, GAMES, 20)], 0)
    for array in chunk[:5]:
        array.flags.writeable = False
    shard = make_shard(10, n_step=1, stack=4, prioritized=True)
    shard.add(chunk)
    assert len(shard) == 19


def test_float_frames_are_stacked_like_pixels() -> None:
    """Stacks of float32 vectors hold the current and the previous frame, as stacks of pixels do."""
    settings = ReplaySettings(capacity=1000, n_step=1, learning_starts=0)
    dtype = np.dtype(np.float32)
    shard = ReplayShard(settings, lanes=10, spec=EnvSpec((3,), dtype, Discrete(2)), stack=2, gamma=0.9, seed=0)
    rows = lane_rows(0, [Game(30, "terminated")], 20)
    frames = np.array([row.code for row in rows], np.float32)[:, None, None] + 0.25
    shard.add(chunk_of([rows], 0)._replace(frames=frames))
    batch = shard.sample(64)
    assert batch.obs.shape == (64, 1, 2, 3)
    assert batch.obs.dtype == torch.float32
    for (_, row), obs, after in zip(rows_of(batch.key), batch.obs, batch.next_obs, strict=True):
        assert obs[0, :, 2].tolist() == [max(row - 1, 0) + 0.25, row + 0.25]
        assert after[0, :, 2].tolist() == [row + 0.25, row + 1.25]
