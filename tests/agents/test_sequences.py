"""Replay of sequences against rows as plain lists: eligible sequences, their contents and their frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.replay.keys import LANE_BITS
from agents.replay.sequences import SequenceBatch, SequenceSettings, SequenceShard
from agents.replay.transitions import Chunk, ReplayEmpty, ReplaySettings
from tests.replay_oracle import FRAME_SHAPE, GAMMA, Game, Row, chunk_of, lane_rows, picture, transitions
from tests.specs import spec_of
from tests.trees import assert_same

T, LANES, STATE = 4, 2, 3
GAMES = st.lists(
    st.builds(Game, st.integers(1, 9), st.sampled_from(["terminated", "truncated", "killed"])), min_size=1, max_size=4
)


def make(n_step: int = 2, burn_in: int = 3, unroll: int = 5, *, rows: int = 500, **other: Any) -> SequenceShard:
    """Return a shard whose lanes hold `rows` rows."""
    return SequenceShard(
        ReplaySettings(capacity=max(LANES * rows, 1000), n_step=n_step, learning_starts=0, **other),
        SequenceSettings(burn_in=burn_in, unroll=unroll),
        lanes=LANES if rows >= 500 else 1000 // rows,
        chunk_steps=T,
        spec=spec_of(FRAME_SHAPE),
        memory=STATE,
        gamma=GAMMA,
        seed=0,
    )


def state_at(lane: int, row: int) -> list[float]:
    """Return a state that encodes its lane and row."""
    return [float(lane), float(row), 0.5]


def fill(shard: SequenceShard, lanes: list[list[Row]]) -> None:
    """Add all rows in chunks of T, each with the state of its first row."""
    for begin in range(0, len(lanes[0]), T):
        chunk = chunk_of([rows[begin : begin + T] for rows in lanes], 0, begin)
        memory = np.array([state_at(lane, begin) for lane in range(len(lanes))], np.float32)
        shard.add(chunk._replace(memory=memory))


def check(batch: SequenceBatch, index: int, rows: list[Row], lane: int, begin: int, shard: SequenceShard) -> None:
    """Assert that a drawn sequence equals the rows from `begin` on."""
    mine, known = rows[begin : begin + shard.length], transitions(rows, shard.n_step, 1)
    np.testing.assert_array_equal(batch.frames[index].numpy(), picture(mine))
    assert batch.first[index].tolist() == [row.first for row in mine]
    assert batch.memory[index].tolist() == state_at(lane, begin)
    assert batch.version[index] == mine[shard.burn_in].version
    for u in range(shard.unroll):
        row = begin + shard.burn_in + u
        assert bool(batch.transition[index, u]) is (row in known), "an episode's last frame has no transition"
        if row in known:
            step = known[row]
            assert batch.action[index, u] == step.action
            assert batch.reward[index, u].tolist() == step.rewards
            assert float(batch.discount[index, u]) == pytest.approx(step.discount)
            assert step.next_obs == [row + int(batch.steps[index, u])] or step.discount == 0


def drawn(batch: SequenceBatch) -> list[tuple[int, int]]:
    """Return (lane, first row) of each sequence."""
    return [(int(key) >> LANE_BITS, int(key) & ((1 << LANE_BITS) - 1)) for key in batch.key]


@settings(max_examples=25)
@given(GAMES, st.integers(1, 3), st.integers(0, 5), st.integers(4, 6), st.integers(10, 40), st.booleans())
def test_what_is_drawn_is_what_happened(
    games: list[Game], n_step: int, burn_in: int, unroll: int, chunks: int, prioritized: bool
) -> None:
    """Exactly the sequences whose rows are all stored can be drawn, with their rows, also after ring wraps."""
    shard = make(n_step, burn_in, unroll, rows=100, prioritized=prioritized)
    length = chunks * T
    lanes = [lane_rows(lane, games, length) for lane in range(shard.lanes)]
    fill(shard, lanes)
    oldest = max(length - shard.rows, 0)
    wanted = {begin for begin in range(0, length - shard.length + 1, T) if begin >= oldest}
    batch = shard.sample(60 * shard.lanes)
    places = drawn(batch)
    assert {begin for _, begin in places} == wanted
    assert {lane for lane, _ in places} == set(range(shard.lanes))
    for index in range(0, len(places), 7):
        lane, begin = places[index]
        check(batch, index, lanes[lane], lane, begin, shard)


def filled(**options: Any) -> SequenceShard:
    """Return a shard with 40 chunks of two lanes."""
    shard = make(**options)
    fill(shard, [lane_rows(lane, [Game(7, "terminated")], 160) for lane in range(LANES)])
    return shard


def shares(shard: SequenceShard, draws: int = 6000) -> dict[tuple[int, int], float]:
    """Return each sequence's share of the draws."""
    places, counts = np.unique(shard.sample(draws).key, return_counts=True)
    return {(int(k) >> LANE_BITS, int(k) & 0xFFFF): c / draws for k, c in zip(places, counts, strict=True)}


def test_uniform_draws_are_even() -> None:
    shard = filled()
    found = shares(shard)
    assert len(found) == LANES * 38
    assert max(found.values()) < 2.0 * min(found.values())


def test_priorities_decide_how_often_a_sequence_comes() -> None:
    """Draws are proportional to priority ** alpha; updates of overwritten sequences are skipped and counted."""
    shard = filled(prioritized=True, alpha=0.5)
    keys = np.unique(shard.sample(3000).key)
    shard.update_priorities(keys, np.ones(len(keys), np.float32))
    shard.update_priorities(keys[:1], np.full(1, 400.0, np.float32))
    found = shares(shard)
    place = int(keys[0]) >> LANE_BITS, int(keys[0]) & 0xFFFF
    assert found[place] == pytest.approx(20 / (20 + len(keys) - 1), rel=0.15)
    for _ in range(4):
        fill(shard, [lane_rows(lane, [Game(7, "terminated")], 160) for lane in range(LANES)])
    stale = shard.stale_priority_updates
    shard.update_priorities(keys[:1], np.ones(1, np.float32))
    assert shard.stale_priority_updates == stale + 1
    assert np.isclose(shard.tree.nodes[shard.tree.leaves :].sum() if shard.tree else 0, shard.mass)
    with pytest.raises(FloatingPointError, match="no finite number"):
        shard.update_priorities(keys[:1], np.array([np.nan], np.float32))


def test_a_saved_shard_draws_the_same() -> None:
    one, other = filled(prioritized=True), make(prioritized=True)
    one.sample(5)
    other.load_state(one.state())
    assert_same(other.sample(30)._asdict() | NUMBERS, one.sample(30)._asdict() | NUMBERS)
    for mine, theirs in zip(one.sample(30), other.sample(30), strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))
    with pytest.raises(ValueError, match="other states"):
        other.load_state({**one.state(), "memory": np.zeros((1, 2, 3))})


NUMBERS: dict[str, Any] = dict.fromkeys(
    ("frames", "first", "memory", "action", "reward", "discount", "steps", "transition", "priority"), None
)


def one_chunk(time: int = T, memory: NDArray[np.float32] | None = None) -> Chunk:
    """Return a chunk of `time` rows with this state."""
    lanes = [lane_rows(lane, [Game(7, "terminated")], time) for lane in range(LANES)]
    return chunk_of(lanes, 0)._replace(memory=memory)


def test_chunks_without_a_state_or_of_another_length_are_refused() -> None:
    shard, state = make(), np.zeros((LANES, STATE), np.float32)
    for chunk in (one_chunk(), one_chunk(3, state), one_chunk(memory=state[:, :2])):
        with pytest.raises(ValueError, match=r"chunks of 4 rows with states \[2, 3\]"):
            shard.add(chunk)
    with pytest.raises(ReplayEmpty):
        shard.sample(1)
    shard.add(one_chunk(memory=state))
    with pytest.raises(ReplayEmpty):
        shard.sample(1)
    with pytest.raises(ValueError, match="draw 1 sequence"):
        shard.sample(0)
    with pytest.raises(ValueError, match="raise it"):
        make(burn_in=300, unroll=300)
