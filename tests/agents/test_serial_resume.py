"""C26: train k, save, go on == train k, save, restore elsewhere, go on; bit for bit in float32 on a CPU."""

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
    """So many turns of collecting and learning."""
    for _ in range(turns):
        run.step()
    return run


def everything(run: SerialLoop) -> dict[str, Any]:
    """All that decides how a run goes on."""
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
    """C26: weights, target, average, moments, replay bytes, sum tree, random states, counters, epsilon and beta.

    Noise and shares of probability go on as well.
    """
    changed = {"replay": {"prioritized": prioritized}, "learner": {"average_rate": 0.3}, "network": network}
    settings = small_settings(env, **changed)
    run = play(SerialLoop(settings))
    updates = run.learner.updates
    path = run.save(tmp_path)
    saved = checkpoint.load(path)["learner"]["updates"]
    play(run)
    other = SerialLoop(settings)
    play(other, 2)  # a run with a past of its own: nothing of it may stay
    other.load(path)
    play(other)
    assert 0 < updates == saved < run.learner.updates, "both halves must learn"
    assert_same(everything(other), everything(run))
    run.close()
    other.close()


def test_c26_a_checkpoint_that_was_not_gone_on_from_would_show(tmp_path: Path) -> None:
    """The comparison above can fail: one more turn, or another seed, is seen."""
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
    """C26: another process needs nothing else; tests/cluster/test_workloads.py has one go on."""
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
