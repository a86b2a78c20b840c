"""Batches of a loop without replay: the newest transitions in order, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from agents.replay.keys import LANE_BITS
from agents.replay.no_replay import NoReplay
from agents.replay.transitions import Chunk, ReplayEmpty, ReplaySettings
from tests.specs import spec_of


def shard(lanes: int) -> NoReplay:
    """Return a NoReplay for frames of one block that hold (lane, row) as two numbers."""
    settings = ReplaySettings(capacity=1_000, learning_starts=0)
    return NoReplay(settings, lanes=lanes, spec=spec_of((2,)), stack=1, gamma=0.9, seed=0)


def play(replay: NoReplay, first: np.ndarray[Any, Any]) -> None:
    """Add rows [T, E], some of which begin an episode; the reward of row t of lane e is 1000 e + t."""
    time, lanes = first.shape
    row, lane = np.mgrid[:time, :lanes]
    frames = np.stack([lane, row], axis=-1).astype(np.float32)[:, :, None]
    terminal = np.zeros_like(first)
    terminal[:-1] = first[1:]
    reward = (1_000 * lane + row).astype(np.float32)
    replay.add(Chunk(frames, np.zeros((time, lanes), np.uint8), reward, terminal, first, 0, 0, 0))


@examples(max_examples=60, deadline=None)
@given(data=st.data(), lanes=st.sampled_from([1, 2, 4]), batch_size=st.sampled_from([4, 8]))
def test_the_newest_transitions_come_in_order(data: st.DataObject, lanes: int, batch_size: int) -> None:
    """A batch holds every lane's last whole transitions, the oldest first, and no row before a new episode.

    Of rows of equal age, that of the lowest lane is the newest.
    """
    time = 4 * batch_size
    first = np.zeros((time, lanes), np.bool_)
    first[0] = True
    for lane in range(lanes):
        row = 0
        while row < time - 3:
            row += data.draw(st.integers(2, 9))
            first[min(row, time - 1), lane] = True
    replay = shard(lanes)
    play(replay, first)
    batch = replay.sample(batch_size)
    lane, row = batch.key >> LANE_BITS, batch.key & ((1 << LANE_BITS) - 1)
    assert np.array_equal(batch.reward[:, 0].numpy(), 1_000 * lane + row), "each row brings what belongs to it"
    for e in range(lanes):
        mine = row[lane == e].tolist()
        whole = [t for t in range(time - 1) if not first[t + 1, e]]
        assert mine == whole[len(whole) - len(mine) :], "none left out, none twice, oldest first"
    happened = [(t, e) for e in range(lanes) for t in range(time - 1) if not first[t + 1, e]]
    wanted = sorted(happened, key=lambda place: (-place[0], place[1]))[:batch_size][::-1]
    assert list(zip(row.tolist(), lane.tolist(), strict=True)) == wanted, "the newest of all lanes, not of one alone"
    again = replay.sample(batch_size)
    assert np.array_equal(again.key, batch.key), "nothing is random"


def test_too_few_transitions_are_none() -> None:
    replay = shard(1)
    play(replay, np.array([[True], [False], [False]]))
    with pytest.raises(ReplayEmpty):
        replay.sample(8)
