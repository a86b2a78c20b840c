"""A custom network that differs between training and acting: dropout and batch norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.acting.policy import QPolicy
from agents.dqn.learner import AVERAGE_PERIOD, Learner, LearnerSettings
from agents.networks.q_network import NetworkSettings
from tests.small_learner import SHAPE, STACK, A, batch_of
from tests.specs import spec_of


class Restless(nn.Sequential):
    """A torso with batch norm and dropout."""

    def __init__(self, shape: tuple[int, ...], stack: int) -> None:
        super().__init__(nn.Linear(shape[0], 16), nn.BatchNorm1d(16), nn.Dropout(0.5))

    def train(self, mode: bool = True) -> Any:
        """Set the mode but return nothing, as in many third-party networks."""
        super().train(mode)


def learner_of(**options: Any) -> Learner:
    """Return a learner with the `Restless` torso."""
    settings = LearnerSettings(precision="fp32", device="cpu", **options)
    network = NetworkSettings(kind="tests.agents.test_custom_torso:Restless", stack=STACK)
    return Learner(settings, network, spec_of(SHAPE, A), seed=0)


def buffers(network: nn.Module) -> list[Tensor]:
    """Return copies of the network's buffers."""
    return [buffer.clone() for buffer in network.buffers()]


def test_it_drops_and_remembers_where_it_is_trained_alone() -> None:
    learner, batch = learner_of(), batch_of(8)
    policy, obs = QPolicy(learner.online, precision="fp32"), batch.obs.numpy()
    assert [float(seen) for seen in buffers(learner.online)[-1:]] == [0], "trying it was no training"
    for _ in range(2):
        before = buffers(learner.online)
        learner.update(batch)
        assert not torch.equal(before[0], buffers(learner.online)[0])
        before = [*buffers(learner.online), *buffers(learner.target)]
        np.testing.assert_array_equal(policy.values(obs), policy.values(obs))
        assert torch.equal(learner.bootstrap(batch), learner.bootstrap(batch))
        after = [*buffers(learner.online), *buffers(learner.target)]
        assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not torch.equal(learner.online(batch.obs), learner.online(batch.obs))


def test_what_is_judged_remembers_what_the_newest_network_does() -> None:
    """The averaged policy gets the newest network's buffers whole, at the update that averages the weights."""
    learner = learner_of(average_rate=0.25)
    first = buffers(learner.policy)
    for update in range(AVERAGE_PERIOD):
        assert all(torch.equal(*pair) for pair in zip(first, buffers(learner.policy), strict=True)), update
        learner.update(batch_of(8, update))
    judged = buffers(learner.policy)
    assert all(torch.equal(*pair) for pair in zip(judged, buffers(learner.online), strict=True))
    assert not any(torch.equal(*pair) for pair in zip(judged, first, strict=True))


def test_a_network_that_is_told_to_act_does_so_with_gradients_on() -> None:
    """A network in eval mode drops nothing, as after an export."""
    network, obs = learner_of().online.eval(), batch_of(8).obs
    assert torch.equal(network(obs), network(obs))
    assert torch.equal(network.train().eval()(obs), network(obs))
