"""Priorities in a replay shard: C12, C13, C14."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.networks.losses import importance_weights
from agents.replay.keys import LANE_BITS, MAX_OFFSET, place_of
from agents.replay.shard import ReplayShard
from agents.replay.transitions import ReplaySettings
from tests.replay_oracle import Game, chunk_of, lane_rows, make_shard, rows_of

DRAWS = 50_000
GAMES = [Game(5, "terminated"), Game(3, "truncated"), Game(8, "terminated", lives=(2,))]


def filled(prioritized: bool = True, rows: int = 100, **other: Any) -> ReplayShard:
    """Return a shard of ten lanes with `rows` rows each; a lane's ring holds 100."""
    shard = make_shard(10, n_step=3, stack=4, prioritized=prioritized, **other)
    grow(shard, 0, rows)
    return shard


def grow(shard: ReplayShard, begin: int, end: int) -> None:
    """Add rows [begin, end) to every lane."""
    script = [lane_rows(lane, GAMES, end) for lane in range(10)]
    for start in range(begin, end, 20):
        shard.add(chunk_of([rows[start : min(start + 20, end)] for rows in script], 0, start))


def all_keys(shard: ReplayShard) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return every key that can be drawn, once, sorted."""
    return np.unique(shard.sample(25 * 1000).key)


def weight_of(shard: ReplayShard, key: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, Any]:
    """Return the tree's weights for these keys."""
    assert shard.tree is not None
    slots = [lane * shard.rows + row % shard.rows for lane, row in rows_of(key)]
    return shard.tree.get(np.array(slots))


def test_c12_sampling_is_proportional_to_priority_to_the_alpha() -> None:
    """C12: chi-square over all rows, with |TD error|^0.6 as the expected share."""
    shard = filled(alpha=0.6)
    key = all_keys(shard)
    error = np.random.default_rng(1).uniform(0.1, 4.0, len(key)).astype(np.float32)
    shard.update_priorities(key, error)
    share = (error.astype(np.float64) + 1e-6) ** 0.6
    np.testing.assert_allclose(weight_of(shard, key), share)
    batch = shard.sample(DRAWS)
    places = np.searchsorted(key, batch.key)
    counts, expected = np.bincount(places, minlength=len(key)), DRAWS * share / share.sum()
    freedom = len(key) - 1
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < freedom + 3.3 * np.sqrt(2 * freedom) + 6  # the 99.9 % quantile of so many degrees of freedom
    np.testing.assert_allclose(batch.priority.numpy(), share[places], rtol=1e-6)


def test_c12_new_rows_enter_with_the_highest_priority_seen() -> None:
    """C12: new rows weigh 1 at first, later the largest p^alpha ever given, even after that row is gone."""
    shard = filled()
    assert set(weight_of(shard, all_keys(shard))) == {1.0}
    key = all_keys(shard)
    shard.update_priorities(key[:1], np.array([50.0], np.float32))
    shard.update_priorities(key[:1], np.array([0.5], np.float32))
    before = set(key.tolist())
    grow(shard, 100, 160)
    fresh = np.array(sorted(set(all_keys(shard).tolist()) - before))
    assert len(fresh) > 100
    np.testing.assert_allclose(weight_of(shard, fresh), 50.0**0.6, rtol=1e-6)


def test_c12_alpha_zero_and_a_uniform_shard_draw_alike() -> None:
    """C12: with alpha 0 every row weighs 1, whatever its error; a uniform shard's rows too."""
    prioritized, uniform = filled(alpha=0.0), filled(prioritized=False)
    key = all_keys(prioritized)
    prioritized.update_priorities(key, np.linspace(0, 9, len(key), dtype=np.float32))
    assert set(weight_of(prioritized, key)) == {1.0}
    batch = uniform.sample(DRAWS)
    np.testing.assert_array_equal(np.unique(batch.key), key)
    counts = np.bincount(np.searchsorted(key, batch.key), minlength=len(key))
    expected, freedom = DRAWS / len(key), len(key) - 1
    assert ((counts - expected) ** 2 / expected).sum() < freedom + 3.3 * np.sqrt(2 * freedom) + 6
    assert set(batch.priority.tolist()) == {1.0}
    assert not batch.prioritized


def test_c13_priorities_of_overwritten_rows_are_ignored_and_counted() -> None:
    """C13: updates of overwritten rows are counted, and the new rows of their slots keep their weights."""
    shard = filled()
    old = all_keys(shard)
    grow(shard, 100, 150)
    gone = np.array([k for k, (_, row) in zip(old, rows_of(old), strict=True) if row < 150 - 100 + 3])
    kept = np.setdiff1d(old, gone)
    assert len(gone) > 0 < len(kept)
    now = all_keys(shard)
    shard.update_priorities(old, np.full(len(old), 7.0, np.float32))
    assert shard.stale_priority_updates == len(gone)
    np.testing.assert_allclose(weight_of(shard, kept), (7.0 + 1e-6) ** 0.6)
    assert set(weight_of(shard, np.setdiff1d(now, kept))) == {1.0}


def test_c13_keys_of_a_shard_that_restarted_empty_are_ignored() -> None:
    """C13: all old keys are ignored, even though the new shard holds rows of the same numbers."""
    for offset in (1 << 20, MAX_OFFSET - 150, MAX_OFFSET - 1000):  # also where row + offset wraps around
        old = all_keys(filled())
        fresh = filled(rows=100, key_offset=offset)
        valid, nodes = all_keys(fresh), fresh.tree.nodes.copy() if fresh.tree is not None else None
        fresh.update_priorities(old, np.full(len(old), 3.0, np.float32))
        assert fresh.stale_priority_updates == len(old)
        np.testing.assert_array_equal(fresh.tree.nodes, nodes)
        fresh.update_priorities(valid, np.full(len(valid), 3.0, np.float32))
        assert fresh.stale_priority_updates == len(old), "its own keys are known to it"
        lanes, rows = place_of(valid, offset)
        assert sorted(zip(lanes.tolist(), rows.tolist(), strict=True)) == rows_of(old)


def test_keys_tell_lanes_and_rounds_of_the_ring_apart() -> None:
    """A key is lane and row number, and the row number goes on counting when the ring is full."""
    shard = filled(rows=200)
    key = all_keys(shard)
    assert {lane for lane, _ in rows_of(key)} == set(range(10))
    assert min(row for _, row in rows_of(key)) >= 100
    assert (key < 10 << LANE_BITS).all()


def test_c14_weights_are_those_of_the_whole_buffer_up_to_the_batch_maximum() -> None:
    """C14: weights are (N P)^-beta divided by the batch's largest, with P over the whole buffer."""
    shard = filled()
    key = all_keys(shard)
    shard.update_priorities(key, np.random.default_rng(2).uniform(0.1, 9, len(key)).astype(np.float32))
    batch = shard.sample(64)
    for beta in (0.0, 0.4, 1.0):
        probability = batch.priority.numpy().astype(np.float64) / shard.mass
        full = (len(key) * probability) ** -beta
        got = importance_weights(batch.priority, beta).numpy()
        np.testing.assert_allclose(got, full / full.max(), rtol=1e-5)


def test_c14_beta_anneals_linearly_and_stays_at_one() -> None:
    settings = ReplaySettings(beta=0.4, beta_updates=1000)
    assert [settings.beta_at(updates) for updates in (0, 500, 1000, 9999)] == pytest.approx([0.4, 0.7, 1.0, 1.0])


@pytest.mark.parametrize("prioritized", [False, True])
def test_c26_a_restored_shard_goes_on_bit_for_bit(prioritized: bool) -> None:
    """C26: after the same insertions a restored shard has the same draws, rows, priorities and counters."""
    shard, twin = filled(prioritized, rows=130), make_shard(10, n_step=3, stack=4, prioritized=prioritized)
    if prioritized:
        key = all_keys(shard)
        shard.update_priorities(key, np.linspace(0, 5, len(key), dtype=np.float32))
    twin.load_state(shard.state())
    grow(shard, 130, 190)
    grow(twin, 130, 190)
    for one, other in zip(shard.sample(300), twin.sample(300), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert (shard.max_priority, shard.stale_priority_updates) == (twin.max_priority, twin.stale_priority_updates)


def test_a_state_of_another_shape_is_refused() -> None:
    shard = filled()
    for other in (filled(prioritized=False), make_shard(20, n_step=3, stack=4, prioritized=False)):
        with pytest.raises(ValueError, match="another shape: resume with the settings"):
            other.load_state(shard.state())


def test_a_state_of_fewer_and_longer_lanes_is_refused_before_anything_is_written() -> None:
    """A state with as many frames in fewer, longer lanes is refused, and no frame is overwritten."""
    few, many = (make_shard(lanes, n_step=3, stack=4, prioritized=False) for lanes in (10, 20))
    few.frames.fill_(7)
    with pytest.raises(ValueError, match="another shape: resume with the settings"):
        many.load_state(few.state())
    assert not (many.frames == 7).any()
