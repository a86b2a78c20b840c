"""The evaluation beside a fleet's training: its start, its weights, its failures and its results."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from agents.dqn.learner import Learner
from agents.dqn.presets import pong
from cluster.cli.main import main
from cluster.errors import FleetError
from cluster.fleet.evaluator import FAILURES, AsyncEvaluation, Evaluator
from cluster.fleet.loop import FleetLoop
from tests.cluster.helpers import PATIENCE, TIMEOUT, TINY_CATCH, catch_settings, process_of, wait_until
from tests.cluster.own_envs import BreakingEvaluator, BridgeOut
from tests.specs import spec_of
from training.settings import changed
from training.storage import checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]
EVERY = 200  # agent steps


@pytest.fixture(scope="module")
def loop(ray_cluster: None) -> Iterator[FleetLoop]:
    """Return a run that ends by its first evaluation, with a policy of the newest weights."""
    settings = catch_settings(runners=1, chunk_steps=7)
    loop = FleetLoop(changed(settings, {"stop.score": -1.0, "learner.average_rate": 1.0}))
    yield loop
    loop.close()


def test_evaluation_beside_training(loop: FleetLoop) -> None:
    """An evaluation does not block the loop, runs alone, is repeated if its process is killed, and does not start
    before `evaluation.from_score` is reached.
    """
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

        beside.settings = changed(loop.settings, {"evaluation.from_score": 0.5})
        for score in (None, 0.4):
            assert beside.poll(weights, 10 * EVERY, score) is None
            assert beside.pending is None, "training games are not worth it yet"
        assert beside.poll(weights, 10 * EVERY, 0.5) is None
        assert beside.pending is not None
    finally:
        beside.stop()


def break_bridge(evaluator: Evaluator) -> None:
    """Let the evaluator's evaluations fail from now on."""

    def load(weights: Any) -> None:
        raise BridgeOut("the bridge\nis out")

    evaluator.policy.load = load


def mend_bridge(evaluator: Evaluator) -> None:
    """Let the evaluator's evaluations succeed again."""
    del evaluator.policy.load


def ended(beside: AsyncEvaluation, weights: Any) -> Any:
    """Start an evaluation and wait for its end; return its result, or None if it failed."""
    assert beside.poll(weights, beside.next_at, None) is None
    found: list[Any] = []
    wait_until(lambda: found.append(beside.poll(weights, 0, None)) or beside.pending is None or None)
    return found[-1]


def test_an_error_costs_its_evaluation_and_the_third_in_a_row_the_run(
    loop: FleetLoop, capfd: pytest.CaptureFixture[str]
) -> None:
    weights, beside = loop.algo.policy_weights, AsyncEvaluation(loop.settings, loop.algo.spec)
    line = "quarterdeck: the evaluation during training failed, training goes on: BridgeOut: the bridge is out"
    try:
        for _ in range(2):
            assert ended(beside, weights)[1]["episodes"] == 2
            ray.get(beside.actor.__ray_call__.remote(break_bridge), timeout=PATIENCE)
            capfd.readouterr()
            assert [ended(beside, weights) for _ in range(FAILURES - 1)] == [None] * (FAILURES - 1)
            assert capfd.readouterr().err.splitlines() == [line] * (FAILURES - 1)
            ray.get(beside.actor.__ray_call__.remote(mend_bridge), timeout=PATIENCE)
        ray.get(beside.actor.__ray_call__.remote(break_bridge), timeout=PATIENCE)
        with pytest.raises(FleetError, match="failed 3 times in a row: BridgeOut: the bridge is out") as caught:
            ended(beside, weights)
        assert isinstance(caught.value.__cause__, BridgeOut)
    finally:
        beside.stop()


def test_one_that_cannot_even_start(
    loop: FleetLoop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An evaluator that cannot start is replaced at the next evaluation, until the limit of failures in a row."""
    assert FAILURES == 3
    monkeypatch.setattr("cluster.fleet.evaluator.FAILURES", 2)
    spec: Any = None  # from which no policy can be made
    beside = AsyncEvaluation(loop.settings, spec)
    assert ended(beside, dict) is None
    assert capfd.readouterr().err.count("failed, training goes on: AttributeError: 'NoneType'") == 1
    with pytest.raises(FleetError, match="failed 2 times in a row: AttributeError: 'NoneType'"):
        ended(beside, dict)
    beside.stop()


def test_a_run_that_it_ends_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cluster.fleet.evaluator.Evaluator", BreakingEvaluator)
    monkeypatch.setattr("cluster.fleet.evaluator.FAILURES", 1)
    run = tmp_path / "run"
    endless = ["--steps=9000000", "--minutes=60000", "--evaluation.every-steps=100"]
    assert main(["train", "atari", *TINY_CATCH, *endless, "--run-dir", str(run)]) == 2
    said = capfd.readouterr().err
    assert "Traceback" not in said
    line = "quarterdeck: the evaluation during training failed 1 times in a row: BridgeOut: the bridge is out"
    assert said.splitlines()[-1] == line
    assert checkpoint.load(checkpoint.latest(run / "checkpoints"))["stats"]["agent_steps"] >= 100


def test_a_rally_without_end_holds_no_evaluation_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Games of Pong beside training end at `evaluation.every_frame_cap`; whole games may take 2,000 frames and more."""
    monkeypatch.setattr(os, "nice", lambda increment: increment)
    settings = changed(pong(), {"evaluation.every_frame_cap": 600, "evaluation.every_episodes": 2})
    spec = spec_of(actions=6)
    weights = Learner(settings.learner, settings.network, spec, seed=0).weights()
    steps, summary = Evaluator(settings, spec).evaluate(weights, 7)
    assert steps == 7
    assert summary["protocol"]["frame_cap"] == 600
    assert all(600 <= frames < 604 for frames in summary["episode_frames"])


def test_the_policy_that_passed_is_the_one_that_is_judged(loop: FleetLoop) -> None:
    """The final policy has the weights whose evaluation reached the score, despite later updates."""
    wait_until(lambda: loop.step() or loop.beside.pending)
    passed, updates = loop.beside.weights, loop.stats.updates
    wait_until(lambda: loop.step() or loop.stats.evaluations or None)
    assert loop.stats.reached(-1.0)
    assert loop.stats.updates > updates
    for name, value in loop.algo.policy_weights().items():
        np.testing.assert_array_equal(value, passed[name])
