"""Samples per insert: C17, with collectors and a learner that take turns in any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.dqn.presets import PRESETS
from agents.replay.limiter import SamplesPerInsert

ratios = st.floats(0.05, 64.0)
chunks = st.lists(st.integers(1, 700), min_size=1, max_size=60)


@given(ratio=ratios, batch=st.integers(1, 1024), starts=st.integers(0, 5000), chunks=chunks)
def test_c17_the_learner_takes_what_it_has_earned_to_within_one_batch(
    ratio: float, batch: int, starts: int, chunks: list[int]
) -> None:
    """C17: samples never exceed what the inserts earn, lag by less than a batch, and are 0 before learning starts."""
    limiter = SamplesPerInsert(ratio=ratio, learning_starts=starts)
    for chunk in chunks:
        limiter.inserted += chunk
        due = limiter.updates_due(batch)
        limiter.sampled += due * batch
        earned = ratio * max(limiter.inserted - starts, 0)
        assert limiter.sampled <= earned
        assert earned - limiter.sampled < batch + 1e-6
        assert limiter.updates_due(batch) == 0
        assert limiter.inserted > starts or due == 0


@given(
    ratio=st.sampled_from([1.0, 2.0, 4.0, 8.0, 32.0]),
    need=st.integers(1, 128),  # agent steps that earn one batch
    lazy=st.lists(st.booleans(), min_size=20, max_size=20),
    chunk=st.integers(1, 128),
)
def test_c17_any_ten_thousand_inserts_are_sampled_to_within_a_tenth(
    ratio: float, need: int, lazy: list[bool], chunk: int
) -> None:
    """C17: the ratio holds in any 10K inserts after learning has started, also if the learner skips turns."""
    limiter, batch = SamplesPerInsert(ratio=ratio, learning_starts=2000), int(need * ratio)
    slack = limiter.slack(batch, chunk)
    inserts, samples = [0], [0]
    turn = 0
    while limiter.inserted < 26_000:
        turn += 1
        assert turn < 200_000, "collectors and learner wait for each other"
        if limiter.steps_ahead() < slack:  # collectors pause while the learner is behind
            limiter.inserted += chunk
        if not lazy[turn % 20] or limiter.steps_ahead() >= slack:
            limiter.sampled += limiter.updates_due(batch) * batch
        inserts.append(limiter.inserted)
        samples.append(limiter.sampled)
    inserted, sampled = np.array(inserts), np.array(samples)
    begin = np.flatnonzero(inserted > 2000 + slack)
    end = np.searchsorted(inserted, inserted[begin] + 10_000)
    begin, end = begin[end < len(inserted)], end[end < len(inserted)]
    assert len(begin)
    measured = (sampled[end] - sampled[begin]) / (inserted[end] - inserted[begin])
    np.testing.assert_allclose(measured, ratio, rtol=0.1)


class Fleet:
    """The main loop from the limiter's side, with a preset's sizes: a runner has at most one pending chunk."""

    def __init__(self, preset: str, runners: int) -> None:
        s = PRESETS[preset]()
        self.ratio, self.batch, self.runners = s.replay.samples_per_insert, s.learner.batch_size, runners
        self.chunk = s.fleet.envs_per_runner * s.fleet.chunk_steps
        self.need = self.batch / self.ratio
        self.limiter = SamplesPerInsert(ratio=self.ratio, learning_starts=s.replay.learning_starts)
        self.slack = self.limiter.slack(self.batch, runners * self.chunk)
        self.on_their_way = 0

    def room(self) -> bool:
        """Return whether runners may be asked for chunks."""
        return self.limiter.steps_ahead() + self.on_their_way * self.chunk < self.slack

    def collect(self, ready: int) -> None:
        """Ask all idle runners if there is room, and put up to `ready` chunks into replay."""
        if self.room():
            self.on_their_way = self.runners
        come = min(ready, self.on_their_way)
        self.on_their_way -= come
        self.limiter.inserted += come * self.chunk

    def learn(self) -> None:
        """Do the updates that are due."""
        self.limiter.sampled += self.limiter.updates_due(self.batch) * self.batch


fleets = st.builds(Fleet, preset=st.sampled_from(sorted(PRESETS)), runners=st.sampled_from([1, 3, 8]))
readiness = st.lists(st.integers(0, 8), min_size=1, max_size=12)


def test_the_presets_chunks_are_as_large_as_they_are() -> None:
    """The sizes in the two tests below: pong's 512 steps of one runner, 4,096 of eight."""
    assert [Fleet("pong", runners).chunk * runners for runners in (1, 8)] == [512, 4_096]


@given(fleet=fleets, ready=readiness)
def test_c17_the_loop_holds_the_ratio_to_within_a_batch_and_keeps_every_runner_busy(
    fleet: Fleet, ready: list[int]
) -> None:
    """C17: the setting's ratio holds over any 10K inserts between two turns, and there is always room for chunks."""
    limiter, inserts, samples = fleet.limiter, [0], [0]
    while limiter.inserted < limiter.learning_starts + 40_000:
        for count in [*ready, fleet.runners]:
            assert fleet.room(), "a runner has nothing to do while the learner trains"
            fleet.collect(count)
            assert limiter.steps_ahead() < fleet.runners * fleet.chunk + fleet.need
            fleet.learn()
            assert limiter.steps_ahead() < fleet.need + 1e-6
            inserts.append(limiter.inserted)
            samples.append(limiter.sampled)
    inserted, sampled = np.array(inserts), np.array(samples)
    begin = np.flatnonzero(inserted > limiter.learning_starts)
    end = np.searchsorted(inserted, inserted[begin] + 10_000)
    begin, end = begin[end < len(inserted)], end[end < len(inserted)]
    assert len(begin)
    trained, added = sampled[end] - sampled[begin], inserted[end] - inserted[begin]
    assert (np.abs(trained - fleet.ratio * added) < fleet.batch + 1e-6).all()
    np.testing.assert_allclose(trained / added, fleet.ratio, rtol=0.1)


@given(fleet=fleets, ready=readiness, lazy=st.lists(st.booleans(), min_size=5, max_size=20))
def test_c17_a_slow_learner_beside_the_collectors_is_two_chunks_each_behind_at_most(
    fleet: Fleet, ready: list[int], lazy: list[bool]
) -> None:
    """C17: samples lag by less than two chunks of each runner and a batch, at every moment."""
    limiter, behind = fleet.limiter, [0.0]
    limiter.inserted = limiter.learning_starts
    for turn in range(200):
        fleet.collect(ready[turn % len(ready)])
        behind.append(limiter.steps_ahead())
        if not lazy[turn % len(lazy)]:
            fleet.learn()
            behind.append(limiter.steps_ahead())
    assert min(behind) >= 0
    assert max(behind) < 2 * fleet.runners * fleet.chunk + fleet.need


@given(
    ratio=ratios,
    batch=st.integers(1, 4096),
    starts=st.integers(0, 3000),
    lanes=st.integers(1, 64),
    lost=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_c17_collectors_and_learner_never_wait_for_each_other(
    ratio: float, batch: int, starts: int, lanes: int, lost: list[bool]
) -> None:
    """C17: no deadlock at start-up, for batches larger than a chunk earns, or when a runner dies with its chunk."""
    limiter = SamplesPerInsert(ratio=ratio, learning_starts=starts)
    slack = limiter.slack(batch, lanes)
    for gone in lost:
        due = limiter.updates_due(batch)
        may_collect = limiter.steps_ahead() < slack
        assert due > 0 or may_collect, "both would wait for ever"
        limiter.sampled += due * batch
        if may_collect and not gone:
            limiter.inserted += lanes


def test_c17_the_measured_ratio_counts_from_the_start_of_learning() -> None:
    limiter = SamplesPerInsert(ratio=4.0, learning_starts=1000)
    assert limiter.measured() == 0.0
    for _ in range(20):
        limiter.inserted += 256
        limiter.sampled += 32 * limiter.updates_due(32)
    assert limiter.measured() == pytest.approx(4.0, rel=0.01)


def test_what_is_forfeited_is_neither_trained_on_nor_owed() -> None:
    """Forfeited samples are not due any more, collectors go on, and the measured ratio counts trained samples only."""
    limiter = SamplesPerInsert(ratio=2.0, learning_starts=100, inserted=200)
    assert limiter.updates_due(32) == 6
    limiter.sampled, limiter.forfeited = 2 * 32, 4 * 32
    assert limiter.updates_due(32) == 0
    assert limiter.steps_ahead() == 100 - 6 * 16
    assert limiter.measured() == 64 / 100
    again = SamplesPerInsert(ratio=2.0, learning_starts=100)
    again.load_state(limiter.state())
    assert again == limiter
    again.load_state({"inserted": 200, "sampled": 64})  # as in checkpoints from before samples could be forfeited
    assert (again.inserted, again.sampled, again.forfeited) == (200, 64, 0)


@pytest.mark.parametrize("ratios", [(1.0, 8.0), (8.0, 1.0), (8.0, 0.5, 3.0)])
def test_a_new_ratio_holds_from_where_it_was_taken_over(ratios: tuple[float, ...]) -> None:
    """A clone with a new ratio applies it to new steps only, and keeps the updates that were due."""
    limiter = SamplesPerInsert(ratio=ratios[0], learning_starts=1000, inserted=71_000)
    limiter.sampled = 32 * (limiter.updates_due(32) - 3)
    for ratio in ratios[1:]:
        clone = SamplesPerInsert(ratio=ratio, learning_starts=1000)
        clone.load_state(limiter.state())
        assert clone.updates_due(32) == 3
        assert 96 <= clone.steps_ahead() * ratio < 128
        clone.inserted += 6400
        assert clone.updates_due(32) in (3 + 200 * ratio, 4 + 200 * ratio)
        again = SamplesPerInsert(ratio=ratio, learning_starts=1000)
        again.load_state(clone.state())
        assert again == clone
        clone.sampled += 32 * (clone.updates_due(32) - 3)
        limiter = clone


def test_steps_before_learning_starts_are_worth_nothing_by_any_ratio() -> None:
    limiter = SamplesPerInsert(ratio=2.0, learning_starts=100)
    limiter.load_state(SamplesPerInsert(ratio=8.0, learning_starts=100, inserted=60).state())
    assert limiter == SamplesPerInsert(ratio=2.0, learning_starts=100, inserted=60)
