"""Every head learns in seconds with the whole loop: the chain's known values, and to catch a ball from pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from agents.dqn.serial import SerialLoop
from agents.dqn.settings import Settings
from agents.evaluation.evaluate import evaluate
from agents.networks.q_network import HEADS
from envs import make_env
from tests.exact_values import chain_q_star
from tests.small_run import small_settings

GAMMA = 0.9


def chain(exploration: dict[str, Any], munchausen: float = 0.0, *, double: bool = False, **network: Any) -> Settings:
    """Return settings for the chain of five states."""
    options = {"gamma": GAMMA, "learning_rate": 2e-3, "target_period": 20, "munchausen": munchausen, "double": double}
    return small_settings(
        "toy/chain",
        network={"kind": "mlp", "stack": 1, "hidden": 32, "atoms": 41, "value_min": -1, "value_max": 2, **network},
        exploration=exploration,
        replay={"capacity": 4_000, "n_step": 1, "samples_per_insert": 16.0, "learning_starts": 200},
        learner=options,
        fleet={"envs_per_runner": 8, "chunk_steps": 8},
    )


def learned(settings: Settings, updates: int) -> SerialLoop:
    """Return the run after `updates` updates."""
    run = SerialLoop(settings)
    while run.learner.updates < updates:
        run.step()
    run.close()
    return run


def values_of(run: SerialLoop) -> np.ndarray[Any, Any]:
    """Return the values of both actions in the chain's first four states."""
    values = run.policy().values(np.eye(5, dtype=np.float32)[:4, None, None])
    assert torch.isfinite(torch.from_numpy(values)).all()
    return values


@pytest.mark.parametrize("munchausen", [0.0, 0.9])
@pytest.mark.parametrize("head", HEADS)
def test_the_chain_is_learned(head: str, munchausen: float) -> None:
    """The greedy action is right in every state; without Munchausen the values are those of the best policy."""
    run = learned(chain({"start": 1.0, "final": 1.0}, munchausen, head=head), 600)
    values = values_of(run)
    assert (values.argmax(1) == 1).all(), "right is right"
    if munchausen == 0.0:
        np.testing.assert_allclose(values, chain_q_star(GAMMA)[:4], atol=0.12)


def test_a_noisy_network_learns_the_chain_without_epsilon() -> None:
    """The values of its mean weights are exact within 0.12, also for the worse action, which only noise tries."""
    run = learned(chain({"start": 0.0, "final": 0.0}, noisy=True, dueling=True, double=True), 1_500)
    np.testing.assert_allclose(values_of(run), chain_q_star(GAMMA)[:4], atol=0.12)


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("quantile", {"atoms": 16}),
        ("histogram", {"atoms": 21}),
        ("implicit", {"tau_samples": 8, "tau_samples_target": 8, "tau_samples_acting": 8}),
    ],
)
def test_a_ball_is_caught_from_pixels(head: str, options: dict[str, Any]) -> None:
    """The mean score is 0.8 or more (random -0.3, best 1); `test_serial` has the other heads, through convolutions."""
    name = "tests.agents.small_catch"
    network = {"kind": f"{name}:Torso", "stack": 1, "head": head, "value_min": -2.0, "value_max": 2.0, **options}
    settings = small_settings(
        f"{name}:SmallCatch-v0",
        network=network,
        exploration={"final": 0.05, "ladder": 0.0, "anneal_steps": 2_000},
        replay={"capacity": 6_000, "n_step": 4, "samples_per_insert": 16.0, "learning_starts": 200},
        learner={"batch_size": 64, "learning_rate": 4e-3, "target_period": 30, "double": False},
        fleet={"envs_per_runner": 8, "chunk_steps": 12},
    )
    run, env = learned(settings, 700), make_env(settings.env, 25)
    judged = evaluate(run.policy(), env, settings.evaluation, episodes=100, seed=0)
    env.close()
    assert judged.scores.mean() >= 0.8
