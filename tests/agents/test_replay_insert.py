"""Insertion into a replay shard: one tree write per chunk; duplicate and malformed chunks are not inserted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.replay.shard import ReplayShard
from agents.replay.transitions import Chunk, Index
from agents.replay.windows import ranges
from tests.replay_oracle import Game, chunk_of, lane_rows, make_shard

GAMES = [Game(5, "terminated"), Game(3, "truncated"), Game(8, "terminated", lives=(2,))]
LIFE = 77


class LaneByLane(ReplayShard):
    """A shard that updates the sum tree one lane at a time, as the slow reference."""

    def _move_window(self, chunk: Chunk, before: tuple[Index, Index]) -> None:
        assert self.tree is not None
        low, high = self._eligible()
        for lane in range(chunk.lane, chunk.lane + chunk.action.shape[1]):
            gone = np.arange(before[0][lane], min(low[lane], before[1][lane]))
            new = np.arange(max(before[1][lane], low[lane]), high[lane])
            self.tree.set(self._slot(lane, gone), 0.0)
            broken = self.first[self._slot(lane, new + 1)]
            self.tree.set(self._slot(lane, new), np.where(broken, 0.0, self.max_priority))


@given(
    portions=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 25)), min_size=1, max_size=40),
    n_step=st.integers(1, 6),
    stack=st.integers(1, 4),
    errors=st.lists(st.floats(0, 100, width=32), min_size=8, max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_c12_all_lanes_at_once_leave_the_tree_of_one_lane_after_the_other(
    portions: list[tuple[int, int]], n_step: int, stack: int, errors: list[float]
) -> None:
    """C12: every tree node is equal to the last bit, over ring wraps (50 rows a lane) and changed priorities."""
    fast = make_shard(20, n_step=n_step, stack=stack, prioritized=True)
    slow = make_shard(20, n_step=n_step, stack=stack, prioritized=True)
    slow.__class__ = LaneByLane
    written = [0] * 5
    for runner, time in portions:
        rows = [
            lane_rows(lane, GAMES, written[runner] + time)[written[runner] :]
            for lane in range(4 * runner, 4 * runner + 4)
        ]
        for shard in (fast, slow):
            shard.add(chunk_of(rows, 4 * runner, written[runner]))
            if shard.mass > 0:
                shard.update_priorities(shard.sample(8).key, np.array(errors, np.float32))
        written[runner] += time
    assert fast.tree is not None
    assert slow.tree is not None
    np.testing.assert_array_equal(fast.tree.nodes, slow.tree.nodes)
    assert fast.max_priority == slow.max_priority


def test_c12_a_chunk_is_one_write_to_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """C12: a chunk of several lanes is a single write to the tree."""
    writes = []
    shard = make_shard(10, n_step=3, stack=4, prioritized=True)
    assert shard.tree is not None
    write = shard.tree.set
    monkeypatch.setattr(shard.tree, "set", lambda index, weight: (writes.append(len(index)), write(index, weight)))
    for row in (0, 20, 40):
        shard.add(chunk_at(row))
    assert writes == [5 * 17, 5 * 20, 5 * 20]


@given(bounds=st.lists(st.tuples(st.integers(-5, 30), st.integers(-5, 30)), max_size=8))
def test_ranges_are_those_of_numpy_one_after_the_other(bounds: list[tuple[int, int]]) -> None:
    begin, end = (np.array([pair[i] for pair in bounds], np.int64) for i in (0, 1))
    name, number = ranges(np.arange(len(bounds)) + 100, begin, end)
    wanted = [(100 + i, n) for i, (low, high) in enumerate(bounds) for n in range(low, high)]
    assert list(zip(name.tolist(), number.tolist(), strict=True)) == wanted


def chunk_at(row: int, life: int = LIFE, lane: int = 0) -> Chunk:
    """Return rows [row, row + 20) of five lanes, in one life of their runner."""
    return chunk_of([lane_rows(e, GAMES, row + 20)[row:] for e in range(5)], lane, row)._replace(life=life)


def everything(shard: ReplayShard) -> dict[str, Any]:
    """Return a copy of the state that a checkpoint would hold."""
    state = shard.state()
    arrays = {name: value.copy() for name, value in state.items() if isinstance(value, np.ndarray)}
    return {**state, **arrays, "rows": {name: value.copy() for name, value in state["rows"].items()}}


def same(one: Any, other: Any) -> bool:
    """Return whether two states are equal to the last bit."""
    if isinstance(one, dict):
        return all(same(value, other[name]) for name, value in one.items())
    return bool(np.array_equal(one, other))


@pytest.mark.parametrize("prioritized", [False, True])
def test_c27_a_chunk_that_comes_again_is_left_out(prioritized: bool) -> None:
    """C27: repeated chunks are ignored in any order; other lanes' chunks with the same row numbers are inserted."""
    shard = make_shard(10, n_step=3, stack=4, prioritized=prioritized)
    for row in (0, 20):
        shard.add(chunk_at(row))
    before = everything(shard)
    for row in (20, 0, 20):
        shard.add(chunk_at(row))
    assert same(everything(shard), before)
    shard.add(chunk_at(20, lane=5))
    shard.add(chunk_at(40))
    assert shard.written.tolist() == [60] * 5 + [20] * 5


def test_c27_a_runner_that_restarted_is_not_taken_for_its_former_life() -> None:
    """C27: a restarted runner's rows are inserted from row 0 on; if its first chunk is lost, its lanes start a gap."""
    shard = make_shard(10, n_step=3, stack=4, prioritized=False)
    shard.add(chunk_at(0))
    for row in (0, 20):
        shard.add(chunk_at(row, life=LIFE + 1))
    assert shard.written[0] == 60
    other = make_shard(10, n_step=3, stack=4, prioritized=False)
    other.add(chunk_at(0))
    assert not chunk_at(20).first[0].all()
    other.add(chunk_at(20, life=LIFE + 1))
    assert other.first[other._slot(np.arange(5), np.full(5, 20))].all()


def test_c27_a_restored_shard_takes_what_comes_and_goes_on() -> None:
    """C27: a restored shard continues identically, and inserts a row number of its former runners once more."""
    shard, twin = (make_shard(10, n_step=3, stack=4, prioritized=True) for _ in range(2))
    for row in (0, 20):
        shard.add(chunk_at(row))
    saved = everything(shard)
    shard.add(chunk_at(40))
    twin.load_state(saved)
    twin.add(chunk_at(40))
    assert same(everything(twin), everything(shard)), "it goes on without a seam"
    twin.load_state(saved)
    twin.add(chunk_at(20))
    assert twin.written[0] == 60
    twin.add(chunk_at(20))
    assert twin.written[0] == 60


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"frames": np.zeros((20, 5, 1, 9), np.uint8)}, r"frames are uint8 \[20, 5, 1, 9\]: give uint8 \[20, 5, 1, 16\]"),
    ({"frames": np.zeros((20, 5, 1, 16), np.float32)}, r"frames are float32 .*: give uint8 \[20, 5, 1, 16\]"),
    ({"frames": np.zeros((19, 5, 1, 16), np.uint8)}, r"frames are uint8 \[19, 5, 1, 16\]: give uint8 \[20, 5, 1, 16\]"),
    ({"reward": np.zeros((20, 4), np.float32)}, r"reward has another shape than its action: give \[20, 5\]"),
    ({"first": np.zeros((20, 1), np.bool_)}, r"first has another shape"),
    ({"action": np.zeros((20, 5), np.int64)}, r"action is int64: give uint16"),
    ({"reward": np.full((20, 5), np.nan, np.float32)}, r"reward holds a number that is not finite"),
    ({"reward": np.full((20, 5), -np.inf, np.float32)}, r"reward holds a number that is not finite"),
]


@pytest.mark.parametrize(("columns", "message"), WRONG)
def test_a_chunk_of_another_kind_is_refused_and_changes_nothing(columns: dict[str, Any], message: str) -> None:
    shard = make_shard(10, n_step=3, stack=4, prioritized=True)
    shard.add(chunk_at(0))
    before = everything(shard)
    with pytest.raises(ValueError, match=message) as caught:
        shard.add(chunk_at(20)._replace(**columns))
    assert "\n" not in str(caught.value)
    assert same(everything(shard), before)


@pytest.mark.parametrize("prioritized", [False, True])
def test_no_transitions_cannot_be_drawn(prioritized: bool) -> None:
    shard = make_shard(10, n_step=3, stack=4, prioritized=prioritized)
    shard.add(chunk_at(0))
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"batch_size is {size}: draw 1 transition or more"):
            shard.sample(size)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_priority_that_is_no_finite_number_never_enters_the_tree(broken: float) -> None:
    """A batch of TD errors with one that is not finite is refused as a whole and changes no priority."""
    shard = make_shard(10, n_step=3, stack=4, prioritized=True)
    shard.add(chunk_at(0))
    batch, before = shard.sample(4), everything(shard)
    before["rng"] = shard.rng.bit_generator.state
    with pytest.raises(FloatingPointError, match="a TD error is no finite number"):
        shard.update_priorities(batch.key, np.array([1.0, broken, 2.0, 3.0], np.float32))
    assert same(everything(shard), before)
    assert shard.max_priority == 1.0
