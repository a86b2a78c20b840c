"""Every head learns known values in seconds: the chain's, from the whole loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.dqn.serial import SerialLoop
from agents.networks.q_network import HEADS
from envs.toy import chain_q_star
from tests.small_run import small_settings

GAMMA = 0.9


@pytest.mark.parametrize("munchausen", [0.0, 0.9])
@pytest.mark.parametrize("head", HEADS)
def test_the_chain_is_learned(head: str, munchausen: float) -> None:
    """Values as far as they are those of the best policy, and the best action in every state, under every target."""
    settings = small_settings(
        "toy/chain",
        network={"kind": "mlp", "stack": 1, "hidden": 32, "head": head, "atoms": 41, "value_min": -1, "value_max": 2},
        exploration={"start": 1.0, "final": 1.0},
        replay={"capacity": 4_000, "n_step": 1, "samples_per_insert": 16.0, "learning_starts": 200},
        learner={"gamma": GAMMA, "learning_rate": 2e-3, "target_period": 20, "munchausen": munchausen, "double": False},
        fleet={"envs_per_runner": 8, "chunk_steps": 8},
    )
    run = SerialLoop(settings)
    while run.learner.updates < 1_500:
        run.step()
    states = np.eye(5, dtype=np.float32)[:4, None, None]
    values = run.policy().values(states)
    run.close()
    assert (values.argmax(1) == 1).all(), "right is right"
    if munchausen == 0.0:
        np.testing.assert_allclose(values, chain_q_star(GAMMA)[:4], atol=0.12)
    assert torch.isfinite(torch.from_numpy(values)).all()
