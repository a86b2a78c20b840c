"""The whole loop in one process: C16, C17, C29 and learning (C31)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from agents.dqn.presets import cartpole
from agents.dqn.serial import SerialLoop
from agents.evaluation.evaluate import evaluate_policy
from tests.patience import TIMEOUT
from tests.small_run import small_settings


def curve(seed: int, prioritized: bool) -> list[dict[str, Any]]:
    """Return the statistics of a short run after every turn, and its last weights."""
    run = SerialLoop(small_settings("toy/catch", seed, replay={"prioritized": prioritized}))
    points = []
    for _ in range(12):
        run.step()
        scalars = {name: value for name, value in run.stats.read().items() if not name.startswith("seconds")}
        points.append({**scalars, **run.stats.state()})
    points.append({name: value.tolist() for name, value in run.learner.weights().items()})
    run.close()
    return points


@pytest.mark.parametrize("prioritized", [False, True])
def test_c29_the_same_seed_gives_the_identical_curve(prioritized: bool) -> None:
    """C29: one seed gives equal scalars in every turn and equal weights; another seed gives another curve."""
    torch.manual_seed(1)
    one = curve(3, prioritized)
    torch.manual_seed(2)  # global generators have no influence
    assert curve(3, prioritized) == one
    assert any("learner/loss" in point for point in one)
    assert curve(4, prioritized) != one


@pytest.mark.parametrize("envs", [2, 7])
def test_c16_the_number_of_actors_changes_no_update_between_target_copies(
    monkeypatch: pytest.MonkeyPatch, envs: int
) -> None:
    """C16: the target network is copied every 7 updates with any number of envs."""
    run, copies = SerialLoop(small_settings("CartPole-v1", fleet={"envs_per_runner": envs})), list[int]()
    monkeypatch.setattr(run.learner, "sync_target", lambda: copies.append(run.learner.updates))
    while run.learner.updates < 40:
        run.step()
    assert copies[:5] == [7, 14, 21, 28, 35]
    run.close()


@pytest.mark.parametrize(("ratio", "batch_size"), [(0.5, 64), (2.0, 8), (4.0, 200)])
def test_c17_samples_per_insert_are_those_of_the_settings(ratio: float, batch_size: int) -> None:
    """C17: the ratio is met within 10 %, also with batches larger than one chunk allows."""
    options = {"replay": {"samples_per_insert": ratio}, "learner": {"batch_size": batch_size}}
    run = SerialLoop(small_settings("CartPole-v1", **options))
    while run.stats.agent_steps < 3000:
        run.step()
    inserted = run.stats.agent_steps - run.settings.replay.learning_starts
    assert run.learner.updates * batch_size / inserted == pytest.approx(ratio, rel=0.1)
    assert run.limiter.measured() == pytest.approx(ratio, rel=0.1)
    run.close()


def test_c17_a_run_may_learn_from_the_first_row_on() -> None:
    """C17: with chunks shorter than the n-step window and no start-up phase, learning begins without an error."""
    options = {"replay": {"learning_starts": 0, "samples_per_insert": 8.0, "n_step": 5}, "fleet": {"chunk_steps": 1}}
    run = SerialLoop(small_settings("CartPole-v1", **options))
    for _ in range(12):
        run.step()
    assert run.learner.updates > 0
    run.close()


def mean_score(run: SerialLoop) -> float:
    """Return the mean score of 100 whole games with frozen weights and no exploration."""
    return float(evaluate_policy(run.policy(), run.settings, episodes=100, threads=1).scores.mean())


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
def test_c31_cartpole_is_solved() -> None:
    """C31: the unchanged preset reaches a mean score of 475 over 100 games."""
    settings = dataclasses.replace(cartpole(), seed=1)
    run, score = SerialLoop(settings), 0.0
    while score < 475 and run.stats.agent_steps < settings.stop.steps:
        run.step()
        if (run.stats.score() or 0.0) >= 475:
            score = mean_score(run)
    assert score >= 475
    run.close()


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("head", ["scalar", "categorical"])
def test_c31_the_network_of_2013_learns_to_catch_from_pixels(head: str) -> None:
    """C31: the mean score reaches 0.9 from pixels; random moves score -0.5, never missing scores 1."""
    settings = small_settings(
        "toy/catch",
        network={"head": head, "atoms": 21, "value_min": -2.0, "value_max": 2.0},
        exploration={"final": 0.02, "ladder": 0.0, "anneal_steps": 1500},
        replay={"capacity": 10_000, "n_step": 4, "samples_per_insert": 4.0, "learning_starts": 500},
        learner={"batch_size": 32, "learning_rate": 1e-3, "target_period": 50, "double": False},
        fleet={"envs_per_runner": 8, "chunk_steps": 12},
    )
    run, score = SerialLoop(settings), mean_score(SerialLoop(settings))
    assert score < 0.5, "nothing has been learnt yet"
    while score < 0.9 and run.stats.agent_steps < 12_000:
        begun = run.stats.agent_steps
        while run.stats.agent_steps < begun + 1_000:
            run.step()
        if run.stats.agent_steps > 3_500:
            score = mean_score(run)
    assert score >= 0.9
    run.close()
