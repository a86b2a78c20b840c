"""Every head learns in seconds, from the whole loop: the chain's known values, and to catch a ball from pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from agents.dqn.serial import SerialLoop
from agents.dqn.settings import Settings
from agents.evaluation.evaluate import evaluate
from agents.networks.q_network import HEADS
from agents.settings import EvaluationSettings
from envs import EnvSettings, make_env
from envs.toy import chain_q_star
from tests.small_run import small_settings

GAMMA = 0.9


def chain(exploration: dict[str, Any], munchausen: float = 0.0, **network: Any) -> Settings:
    """A run on the chain of five states."""
    return small_settings(
        "toy/chain",
        network={"kind": "mlp", "stack": 1, "hidden": 32, "atoms": 41, "value_min": -1, "value_max": 2, **network},
        exploration=exploration,
        replay={"capacity": 4_000, "n_step": 1, "samples_per_insert": 16.0, "learning_starts": 200},
        learner={"gamma": GAMMA, "learning_rate": 2e-3, "target_period": 20, "munchausen": munchausen, "double": False},
        fleet={"envs_per_runner": 8, "chunk_steps": 8},
    )


def learned(settings: Settings, updates: int) -> SerialLoop:
    """The run after so many updates."""
    run = SerialLoop(settings)
    while run.learner.updates < updates:
        run.step()
    run.close()
    return run


def values_of(run: SerialLoop) -> np.ndarray[Any, Any]:
    """What is held of both actions in the chain's first four states."""
    values = run.policy().values(np.eye(5, dtype=np.float32)[:4, None, None])
    assert torch.isfinite(torch.from_numpy(values)).all()
    return values


@pytest.mark.parametrize("munchausen", [0.0, 0.9])
@pytest.mark.parametrize("head", HEADS)
def test_the_chain_is_learned(head: str, munchausen: float) -> None:
    """Values as far as they are those of the best policy, and the best action in every state, under every target."""
    run = learned(chain({"start": 1.0, "final": 1.0}, munchausen, head=head), 1_500)
    values = values_of(run)
    assert (values.argmax(1) == 1).all(), "right is right"
    if munchausen == 0.0:
        np.testing.assert_allclose(values, chain_q_star(GAMMA)[:4], atol=0.12)


@pytest.mark.parametrize(("head", "dueling"), [("scalar", False), ("categorical", True)])
def test_a_noisy_network_finds_the_end_of_the_chain_without_epsilon(head: str, dueling: bool) -> None:
    """And holds the values of what it found there; the other action's were tried as often as noise would."""
    run = learned(chain({"start": 0.0, "final": 0.0}, head=head, dueling=dueling, noisy=True), 1_500)
    values = values_of(run)
    assert (values.argmax(1) == 1).all()
    np.testing.assert_allclose(values[:, 1], chain_q_star(GAMMA)[:4, 1], atol=0.2)


class Coarse(nn.Module):
    """One pixel of every cell of the ball's field, and a dense layer: what takes seconds with convolutions."""

    def __init__(self, shape: tuple[int, ...], stack: int) -> None:
        super().__init__()
        self.dense = nn.Linear(shape[0] * 12 * 12, 64)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, 64]."""
        features: Tensor = self.dense(x[:, :, 3::7, 3::7].flatten(1)).relu()
        return features


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("quantile", {"atoms": 16}),
        ("histogram", {"atoms": 21}),
        ("implicit", {"tau_samples": 8, "tau_samples_target": 8, "tau_samples_acting": 8}),
    ],
)
def test_a_ball_is_caught_from_pixels(head: str, options: dict[str, Any]) -> None:
    """Moving at random scores -0.5, never missing 1; the heads that `test_serial` has not seen through convolutions."""
    settings = small_settings(
        "toy/catch",
        network={"kind": f"{__name__}:Coarse", "head": head, "value_min": -2.0, "value_max": 2.0, **options},
        exploration={"final": 0.05, "ladder": 0.0, "anneal_steps": 2_000},
        replay={"capacity": 6_000, "n_step": 4, "samples_per_insert": 8.0, "learning_starts": 500},
        learner={"batch_size": 32, "learning_rate": 1e-3, "target_period": 50, "double": False},
        fleet={"envs_per_runner": 8, "chunk_steps": 12},
    )
    run = learned(settings, 1_200)
    env = make_env(EnvSettings(id="toy/catch"), 25)
    scores = evaluate(run.policy(), env, EvaluationSettings(protocol="training"), episodes=100, seed=0)
    assert scores.scores.mean() >= 0.8
