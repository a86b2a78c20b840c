"""The evaluation beside a fleet's training: when it begins, what it plays with, what a run keeps of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from agents.dqn.learner import Learner
from agents.dqn.presets import pong
from cluster.fleet.evaluator import AsyncEvaluation, Evaluator
from cluster.fleet.loop import FleetLoop
from tests.cluster.helpers import TIMEOUT, catch_settings, process_of, wait_until
from tests.specs import spec_of
from training.settings import changed

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]
EVERY = 200  # agent steps


@pytest.fixture(scope="module")
def loop(ray_cluster: None) -> Iterator[FleetLoop]:
    """A run that its first evaluation ends, and whose policy is the newest weights."""
    settings = catch_settings(runners=2, chunk_steps=7)
    loop = FleetLoop(changed(settings, {"stop.score": -1.0, "learner.average_rate": 1.0}))
    yield loop
    loop.close()


def test_evaluation_beside_training(loop: FleetLoop) -> None:
    """It never blocks the loop, plays with the weights it was given, and survives the kill of its process."""
    weights, beside = loop.algo.policy_weights, AsyncEvaluation(loop.settings, loop.algo.spec)
    try:
        assert beside.poll(weights, EVERY - 1, None) is None
        assert beside.actor is None, "not due yet: nothing was started"
        assert beside.poll(weights, EVERY, None) is None
        assert beside.pending is not None, "the loop has gone on before the games are over"
        assert beside.poll(weights, 25 * EVERY, None) is None, "one evaluation at a time"
        steps, summary = wait_until(lambda: beside.poll(weights, EVERY + 1, None))
        assert steps == EVERY
        assert summary["episodes"] == 2
        assert beside.next_at == 2 * EVERY

        killed = process_of(beside.actor)
        assert beside.poll(weights, 2 * EVERY, None) is None
        os.kill(killed, signal.SIGKILL)
        steps, summary = wait_until(lambda: beside.poll(weights, 2 * EVERY + 1, None))
        assert steps == 2 * EVERY
        assert -1 <= summary["min"] <= summary["max"] <= 1
    finally:
        beside.stop()


def test_a_rally_without_end_holds_no_evaluation_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Games of Pong end at the cap; the longest one of nothing but chance takes 2,000 frames and more."""
    monkeypatch.setattr(os, "nice", lambda increment: increment)
    settings = changed(pong(), {"evaluation.every_frame_cap": 600, "evaluation.every_episodes": 2})
    spec = spec_of(actions=6)
    weights = Learner(settings.learner, settings.network, spec, seed=0).weights()
    steps, summary = Evaluator(settings, spec).evaluate(weights, 7)
    assert steps == 7
    assert summary["protocol"]["frame_cap"] == 600
    assert all(600 <= frames < 604 for frames in summary["episode_frames"])


def test_none_before_training_games_are_worth_it(loop: FleetLoop) -> None:
    weights = loop.algo.policy_weights
    beside = AsyncEvaluation(changed(loop.settings, {"evaluation.from_score": 0.5}), loop.algo.spec)
    try:
        for score in (None, 0.4):
            assert beside.poll(weights, 10 * EVERY, score) is None
            assert beside.pending is None
        assert beside.poll(weights, 10 * EVERY, 0.5) is None
        assert beside.pending is not None
    finally:
        beside.stop()


def test_the_policy_that_passed_is_the_one_that_is_judged(loop: FleetLoop) -> None:
    """Whatever has been learned meanwhile."""
    wait_until(lambda: loop.step() or loop.beside.pending)
    passed, updates = loop.beside.weights, loop.stats.updates
    wait_until(lambda: loop.step() or loop.stats.evaluations or None)
    assert loop.stats.reached(-1.0)
    assert loop.stats.updates > updates
    for name, value in loop.algo.policy_weights().items():
        np.testing.assert_array_equal(value, passed[name])
