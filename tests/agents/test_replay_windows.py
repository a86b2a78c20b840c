"""Replay against a slow oracle that walks episodes in plain Python: stacks, n-step windows, ring wraps, restarts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.replay.shard import ReplayShard
from agents.replay.transitions import ReplayEmpty
from tests.replay_oracle import (
    GAMMA,
    Game,
    Row,
    check,
    chunk_of,
    eligible,
    lane_rows,
    make_shard,
    picture,
    rows_of,
    transitions,
)

ENDINGS = ("terminated", "truncated", "killed")
games = st.lists(
    st.builds(
        Game,
        length=st.integers(1, 12),
        ending=st.sampled_from(ENDINGS),
        lives=st.lists(st.integers(0, 11), max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=6,
)
# Lanes and runners that share them evenly; 1,000 frames make rings of 40 to 100 rows.
fleets = st.sampled_from([(25, 5), (25, 1), (20, 4), (10, 2), (10, 10)])


@st.composite
def histories(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a shard's shape, the games of its lanes, and chunks of any length from runners in any order."""
    lanes, runners = draw(fleets)
    longest = 1000 // lanes // 2
    portions = draw(st.lists(st.tuples(st.integers(0, runners - 1), st.integers(1, longest)), min_size=1, max_size=30))
    return {
        "lanes": lanes,
        "runners": runners,
        "portions": portions,
        "games": draw(games),
        "n_step": draw(st.integers(1, 6)),
        "stack": draw(st.integers(1, 4)),
        "lost": draw(st.sampled_from([0, 0, 1, 2, 7])),
    }


def play(history: dict[str, Any], prioritized: bool) -> tuple[ReplayShard, list[list[Row]]]:
    """Return a shard fed with a history, and its lanes' rows; the first `lost` rows of every lane are left out."""
    shard = make_shard(history["lanes"], n_step=history["n_step"], stack=history["stack"], prioritized=prioritized)
    envs = history["lanes"] // history["runners"]
    total = history["lost"] + sum(length for _, length in history["portions"])
    script = [lane_rows(lane, history["games"], total)[history["lost"] :] for lane in range(history["lanes"])]
    written = [0] * history["runners"]
    for runner, length in history["portions"]:
        mine, now = range(runner * envs, (runner + 1) * envs), written[runner]
        rows = [script[lane][now : now + length] for lane in mine]
        shard.add(chunk_of(rows, mine[0], history["lost"] + now))
        written[runner] += length
    return shard, [script[lane][: written[lane // envs]] for lane in range(history["lanes"])]


@given(history=histories(), prioritized=st.booleans())
@settings(max_examples=60)
def test_c1_c4_c6_c7_c8_c9_c10_c11_batches_equal_the_oracle(history: dict[str, Any], prioritized: bool) -> None:
    """Every field of every transition equals the oracle's, and exactly the oracle's rows can be drawn."""
    shard, lanes = play(history, prioritized)
    wanted = [eligible(rows, shard.settings.n_step, shard.stack, shard.rows) for rows in lanes]
    places = {(lane, row) for lane, found in enumerate(wanted) for row in found}
    if not places:
        with pytest.raises(ReplayEmpty, match="add rows"):
            shard.sample(1)
        return
    batch = shard.sample(25 * len(places))  # so many that none is missed
    assert check(batch, lanes, wanted) == places
    if shard.tree is not None:
        weighed = np.flatnonzero(shard.tree.get(np.arange(shard.lanes * shard.rows)))
        assert weighed.tolist() == sorted(lane * shard.rows + row % shard.rows for lane, row in places)


def hand_made(games: list[Game], n_step: int, length: int = 60) -> tuple[ReplayShard, list[Row]]:
    """Return a shard of ten lanes with equal rows, and the rows of lane 0."""
    shard = make_shard(10, n_step=n_step, stack=4, prioritized=True)
    lanes = [lane_rows(0, games, length) for _ in range(10)]
    for begin in range(0, length, 20):
        shard.add(chunk_of([rows[begin : begin + 20] for rows in lanes], 0, begin))
    return shard, lanes[0]


def drawn(shard: ReplayShard, row: int) -> Any:
    """Return the transition that begins at a row of lane 0, or None if none does."""
    batch = shard.sample(3000)
    index = next((i for i, place in enumerate(rows_of(batch.key)) if place == (0, row)), None)
    if index is None:
        return None
    return type("Drawn", (), {name: getattr(batch, name)[index] for name in batch._fields[:-1]})


def test_c4_a_terminated_window_holds_its_rewards_alone() -> None:
    """C4, C6: with 5 actions and 3 steps, the windows of t = 2, 3, 4 have 3, 2, 1 rewards and discount 0."""
    shard, rows = hand_made([Game(5, "terminated")], n_step=3)
    for t, k in ((1, 3), (2, 3), (3, 2), (4, 1)):
        found = drawn(shard, t)
        assert found.reward.tolist() == [rows[t + i].reward if i < k else 0.0 for i in range(3)]
        assert float(found.discount) == pytest.approx(0.0 if t + k == 5 else GAMMA**3)
    assert drawn(shard, 5) is None, "the row of the last frame has no action"


def test_c4_a_truncated_window_bootstraps_from_the_true_last_frame() -> None:
    """C4, C7: at t = 3 of 5 the discount is gamma^2, and the next observation ends with frame 5, not frame 0."""
    shard, rows = hand_made([Game(5, "truncated")], n_step=3)
    found = drawn(shard, 3)
    assert found.reward.tolist() == [rows[3].reward, rows[4].reward, 0.0]
    assert float(found.discount) == pytest.approx(GAMMA**2)
    np.testing.assert_array_equal(found.next_obs.numpy()[0], picture(rows[2:6])[:, 0])


def test_c3_a_lost_life_ends_value_but_not_the_stack() -> None:
    """C3: the discount is 0 at the loss, yet the next row has a transition and its stack holds earlier frames."""
    shard, rows = hand_made([Game(9, "terminated", lives=(3,))], n_step=1)
    assert float(drawn(shard, 3).discount) == 0.0
    after = drawn(shard, 4)
    assert float(after.discount) == pytest.approx(GAMMA)
    np.testing.assert_array_equal(after.obs.numpy()[0], picture(rows[1:5])[:, 0])
    game_over = drawn(shard, 8)
    assert float(game_over.discount) == 0.0
    fresh = drawn(shard, 10)
    np.testing.assert_array_equal(fresh.obs.numpy()[0], picture([rows[10]] * 4)[:, 0])


@pytest.mark.parametrize("n_step", [1, 3, 5])
@pytest.mark.parametrize("ending", ["terminated", "truncated"])
def test_c6_an_episode_of_t_actions_gives_exactly_t_transitions(ending: Any, n_step: int) -> None:
    """C6: every action begins one transition, and the oracle's windows shorten towards the end."""
    length = 7
    shard, rows = hand_made([Game(length, ending)], n_step=n_step)
    lane_0 = [row for lane, row in rows_of(shard.sample(20_000).key) if lane == 0]
    whole = [row for row in set(lane_0) if rows[row].code[1] < 60 // (length + 1) - 1]
    assert len(whole) == length * (60 // (length + 1) - 1)
    steps = [sum(1 for t in range(start, min(start + n_step, length))) for start in range(length)]
    oracle = transitions(rows, n_step, 4)
    assert [round(np.log(oracle[t].discount) / np.log(GAMMA)) for t in range(length) if oracle[t].discount] == (
        steps if ending == "truncated" else steps[: max(length - n_step, 0)]
    )


@pytest.mark.parametrize("prioritized", [False, True])
def test_c7_c8_chunk_boundaries_and_other_lanes_change_nothing(prioritized: bool) -> None:
    """C7, C8: chunks of 1 or 20 rows, with lanes together or one after the other, give identical batches."""
    script = [lane_rows(lane, [Game(5, "terminated"), Game(3, "truncated")], 120) for lane in range(10)]
    together, apart = (make_shard(10, n_step=3, stack=4, prioritized=prioritized) for _ in range(2))
    for begin in range(0, 120, 20):
        together.add(chunk_of([rows[begin : begin + 20] for rows in script], 0, begin))
    for lane in range(10):
        for begin in range(120):
            apart.add(chunk_of([script[lane][begin : begin + 1]], lane, begin))
    one, other = together.sample(500), apart.sample(500)
    for name in one._fields[:-1]:
        np.testing.assert_array_equal(np.asarray(getattr(one, name)), np.asarray(getattr(other, name)))


def test_a_chunk_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    shard = make_shard(10, n_step=1, stack=4, prioritized=False)
    rows = lane_rows(0, [Game(5, "terminated")], 60)
    for chunk in (chunk_of([rows[:51]], 0), chunk_of([rows[:5]] * 2, 9), chunk_of([rows[:5]], -1)):
        with pytest.raises(ValueError, match="do not fit"):
            shard.add(chunk)
    assert shard.written.sum() == 0
    with pytest.raises(ReplayEmpty, match="add rows"):
        shard.sample(1)


def test_a_ring_too_small_for_its_windows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"too small for 100 lanes: raise it"):
        make_shard(100, n_step=3, stack=4, prioritized=False)


@pytest.mark.parametrize("prioritized", [False, True])
def test_nothing_spans_the_gap_that_a_lost_chunk_leaves(prioritized: bool) -> None:
    """C4, C7: if rows 20 to 39 are lost, windows end at row 19, and row 40 begins new stacks."""
    shard = make_shard(10, n_step=3, stack=4, prioritized=prioritized)
    rows = lane_rows(0, [Game(100, "terminated")], 60)
    for begin in (0, 40):
        shard.add(chunk_of([rows[begin : begin + 20]] * 10, 0, begin))
    for t in (16, 17, 18):  # n-step windows that end with the last frame before the gap
        np.testing.assert_array_equal(drawn(shard, t).next_obs.numpy()[0], picture(rows[16:20])[:, 0])
        assert float(drawn(shard, t).discount) == pytest.approx(GAMMA ** (19 - t))
    assert drawn(shard, 19) is None, "what followed row 19 is not known"
    np.testing.assert_array_equal(drawn(shard, 20).obs.numpy()[0], picture([rows[40]] * 4)[:, 0])
