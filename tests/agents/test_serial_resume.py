"""C26: a run restored from a checkpoint continues as the run that saved it, bit for bit in float32 on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.acting.exploration import epsilons
from agents.dqn.serial import SerialLoop
from agents.dqn.settings import Settings
from tests.small_run import small_settings
from tests.trees import assert_same
from training.settings import from_dict
from training.storage import checkpoint

TURNS = 9


def play(run: SerialLoop, turns: int = TURNS) -> SerialLoop:
    """Run so many turns of collecting and learning, and return the run."""
    for _ in range(turns):
        run.step()
    return run


def everything(run: SerialLoop) -> dict[str, Any]:
    """Return the whole state that determines how a run continues."""
    exploration, lanes = run.settings.exploration, run.settings.fleet.lanes
    return {
        **run.state(),
        "replay": run.replay.state(),
        "epsilon": epsilons(exploration, lanes, run.stats.agent_steps),
        "beta": run.learner.beta(run.learner.updates),
        "stacks": run.rollout.carry.stack,
        "episodes": {"score": run.rollout.score, "steps": run.rollout.steps, "frames": run.rollout.frames},
    }


GAMES = [("toy/catch", False), ("toy/catch", True), ("CartPole-v1", False), ("CartPole-v1", True), ("pong", True)]
BY_CHANCE = {"noisy": True, "dueling": True, "head": "implicit", "tau_samples": 5}


@pytest.mark.parametrize(
    ("env", "prioritized", "network"), [*((*game, {}) for game in GAMES), ("CartPole-v1", True, BY_CHANCE)]
)
def test_c26_a_restored_run_goes_on_bit_for_bit(
    tmp_path: Path, env: str, prioritized: bool, network: dict[str, Any]
) -> None:
    """C26: weights, target, average, moments, replay, sum tree, random states, counters, epsilon and beta are equal.

    One case has a noisy network and random quantile fractions.
    """
    changed = {"replay": {"prioritized": prioritized}, "learner": {"average_rate": 0.3}, "network": network}
    settings = small_settings(env, **changed)
    run = play(SerialLoop(settings))
    updates = run.learner.updates
    path = run.save(tmp_path)
    saved = checkpoint.load(path)["learner"]["updates"]
    play(run)
    other = SerialLoop(settings)
    play(other, 2)  # a run with steps of its own, which loading must replace
    other.load(path)
    play(other)
    assert 0 < updates == saved < run.learner.updates, "both halves must learn"
    assert_same(everything(other), everything(run))
    run.close()
    other.close()


def test_c26_a_checkpoint_that_was_not_gone_on_from_would_show(tmp_path: Path) -> None:
    """The comparison above can fail: one extra random draw makes the runs differ."""
    settings = small_settings("CartPole-v1", replay={"prioritized": True})
    run = play(SerialLoop(settings))
    path = run.save(tmp_path)
    other = SerialLoop(settings)
    other.load(path)
    assert_same(everything(other), everything(run))
    other.rollout.rng.random()
    play(run, 1)
    play(other, 1)
    with pytest.raises(AssertionError):
        assert_same(everything(other), everything(run))
    run.close()
    other.close()


def test_c26_a_checkpoint_holds_the_run_s_settings(tmp_path: Path) -> None:
    """C26: the saved settings equal the run's; tests/cluster/test_workloads.py resumes in another process."""
    settings = small_settings("CartPole-v1", seed=5, replay={"prioritized": True})
    run = play(SerialLoop(settings), 1)
    source = run.save(tmp_path)
    assert from_dict(Settings, checkpoint.load(source, only="settings")["settings"]) == settings
    run.close()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    run = play(SerialLoop(small_settings("CartPole-v1")), 2)
    path = run.save(tmp_path)
    for changed in ({"network": {"hidden": 8}}, {"replay": {"prioritized": True}}, {"fleet": {"envs_per_runner": 3}}):
        other = SerialLoop(small_settings("CartPole-v1", **changed))
        with pytest.raises(ValueError, match="settings the run was started with"):
            other.load(path)
        other.close()
    run.close()
