"""The experience that a rollout gives PQN, and its transfer as single frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.acting.exploration import ExplorationSettings
from agents.acting.policy import QPolicy
from agents.acting.rollout import Rollout
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.pqn.experience import collect, concatenated, single_frames, stacked
from tests.coded_env import CodedEnv


def test_a_rollout_is_what_the_policy_saw() -> None:
    """Consecutive rollouts equal one long rollout, including the bootstrap value after the last row of each."""
    env = CodedEnv(3)
    network = QNetwork(NetworkSettings(stack=4), env.spec.frame_shape, env.spec.num_actions).requires_grad_(False)
    rollout = Rollout(env, QPolicy(network, precision="fp32"), ExplorationSettings(start=1.0, final=1.0), seed=0)
    parts = [collect(rollout, 4, 7, 0)[0] for _ in range(6)]
    again = Rollout(CodedEnv(3), QPolicy(network, precision="fp32"), ExplorationSettings(start=1.0, final=1.0), seed=0)
    whole, _ = collect(again, 4, 42, 0)
    for index, part in enumerate(parts):
        rows = slice(7 * index, 7 * index + 7)
        for name in ("obs", "action", "reward", "terminal", "complete"):
            assert (getattr(part, name) == getattr(whole, name)[rows]).all(), name
        assert np.allclose(part.value, whole.value[7 * index : 7 * index + 8])
    q = network(torch.from_numpy(whole.obs[5])).max(1).values
    assert np.allclose(whole.value[5], q.numpy())
    assert not whole.complete.all(), "episodes ended"
    assert (whole.reward[~whole.complete] == 0).all()


@pytest.mark.parametrize("stack", [1, 4])
def test_single_frames_become_the_same_experience(stack: int) -> None:
    """Single frames of two runners restore the experience exactly, also stacks that begin before the rollout."""
    network = QNetwork(NetworkSettings(stack=stack), (84, 84), 3).requires_grad_(False)
    policy, chance = QPolicy(network, precision="fp32"), ExplorationSettings(start=1.0, final=1.0)
    rollouts = [Rollout(CodedEnv(2), policy, chance, seed=0, lane=lane, num_lanes=4) for lane in (0, 2)]
    for _ in range(5):
        parts = [collect(rollout, stack, 5, 0)[0] for rollout in rollouts]
        sent = [single_frames(part) for part in parts]
        assert sum(one.frames.nbytes for one in sent) == (stack + 4) * 4 * 84 * 84
        whole = concatenated([stacked(one) for one in sent])
        for e, part in ((slice(0, 2), parts[0]), (slice(2, 4), parts[1])):
            for name, column in part._asdict().items():
                np.testing.assert_array_equal(getattr(whole, name)[:, e], column, err_msg=name)
