"""Weights that are converted once between two updates: the same values, and never outdated ones."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.acting.policy import QPolicy
from agents.networks.layers import Dense
from agents.networks.q_network import NetworkSettings, QNetwork
from tests.small_learner import batch_of, make_learner


def network_of(kind: str) -> tuple[QNetwork, Tensor]:
    """Return a network and observations for it."""
    torch.manual_seed(0)
    shape, obs = ((4,), torch.randn(3, 1, 2, 4)) if kind == "mlp" else ((84, 84), torch.randint(256, (3, 441, 2, 16)))
    network = QNetwork(NetworkSettings(kind=kind, stack=2), shape, 3)
    return network, obs if kind == "mlp" else obs.to(torch.uint8)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["dqn2013", "stem", "mlp"])
def test_acting_and_training_see_the_same_values(kind: str, precision: str) -> None:
    network, obs = network_of(kind)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        trained = network(obs).detach()
        with torch.no_grad():
            assert torch.equal(network(obs), trained)
            assert torch.equal(network(obs), trained)
        with torch.inference_mode():
            assert torch.equal(network(obs), trained)


def by_hand(network: QNetwork) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)


def by_optimiser(network: QNetwork) -> None:
    optimiser = torch.optim.Adam(network.parameters(), 0.1, fused=True)
    network(torch.randn(3, 1, 2, 4)).square().sum().backward()
    optimiser.step()


def by_average(network: QNetwork) -> None:
    other = [torch.randn_like(parameter) for parameter in network.parameters()]
    with torch.no_grad():
        torch._foreach_lerp_(list(network.parameters()), other, 0.5)


def by_state(network: QNetwork) -> None:
    network.load_state_dict({name: torch.randn_like(value) for name, value in network.state_dict().items()})


@pytest.mark.parametrize("change", [by_hand, by_optimiser, by_average, by_state])
def test_whatever_changes_a_weight_is_seen(change: Callable[[QNetwork], None]) -> None:
    network, obs = network_of("mlp")
    before = acted(network, obs)
    change(network)
    after = acted(network, obs)
    fresh = copy.deepcopy(network)
    for layer in fresh.modules():
        layer.__dict__.pop("_cached_weight", None)
    assert torch.equal(after, acted(fresh, obs))
    assert not torch.equal(after, before)


def acted(network: QNetwork, obs: Tensor) -> Tensor:
    """Return values as an actor computes them."""
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        return network(obs)


def test_an_update_without_a_pass_of_its_own_is_seen() -> None:
    """Applying given gradients changes the actor's values, as for a learner that has lost its shards."""
    learner = make_learner()
    learner.update(batch_of(8))
    obs = batch_of(3).obs
    before = acted(learner.online, obs)
    for parameter in learner.online.parameters():
        parameter.grad = torch.ones_like(parameter)
    learner.apply_gradients()
    fresh = copy.deepcopy(learner.online)
    for layer in fresh.modules():
        layer.__dict__.pop("_cached_weight", None)
    assert torch.equal(acted(learner.online, obs), acted(fresh, obs))
    assert not torch.equal(acted(learner.online, obs), before)


def test_a_copy_has_weights_of_its_own() -> None:
    network, obs = network_of("mlp")
    with torch.no_grad():
        network(obs)
        twin = copy.deepcopy(network)
        by_hand(twin)
        assert not torch.equal(twin(obs), network(obs))


def test_a_policy_follows_the_weights_it_loads_and_the_learner_it_shares() -> None:
    """A policy that shares the learner's network follows each update; a copy follows loaded weights."""
    learner, obs = make_learner(), np.random.default_rng(0).normal(size=(5, 1, 2, 4)).astype(np.float32)
    policy = QPolicy(learner.online, precision="bf16")
    seen = [policy.values(obs)]
    for _ in range(3):
        learner.update(batch_of(8))
        seen.append(policy.values(obs))
    assert all(not np.array_equal(one, other) for one, other in itertools.pairwise(seen))
    other = QPolicy(copy.deepcopy(learner.target), precision="bf16")
    other.values(obs)
    other.load(learner.weights())
    np.testing.assert_array_equal(other.values(obs), policy.values(obs))


def test_weights_are_converted_once_where_nothing_is_learned() -> None:
    layer, x = Dense(4, 3), torch.randn(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        layer(x)
        assert "_cached_weight" not in layer.__dict__, "training needs the gradient of the conversion"
        with torch.no_grad():
            layer(x)
            kept = layer.__dict__["_cached_weight"][1]
            layer(x)
            assert layer.__dict__["_cached_weight"][1] is kept
            assert kept.dtype == torch.bfloat16
