"""Noisy networks: the paper's layer in slow loops, when noise is drawn, and acting without noise."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from agents.acting.exploration import ExplorationSettings
from agents.acting.policy import Explore, QPolicy
from agents.acting.rollout import Rollout
from agents.dqn.learner import ONLINE, TARGET
from agents.dqn.papers import rainbow
from agents.networks.noisy import NoisyDense
from agents.networks.q_network import HEADS, NetworkSettings, QNetwork
from envs import EnvSettings, make_env
from tests.small_learner import STACK, batch_of, flat, make_learner

Array = NDArray[np.float64]
IN, OUT = 5, 3


def noisy(**options: Any) -> NetworkSettings:
    """Return settings for a small noisy network for vectors."""
    return NetworkSettings(kind="mlp", stack=STACK, hidden=16, noisy=True, **options)


def chance(seed: int) -> torch.Generator:
    """Return a generator on the CPU."""
    return torch.Generator().manual_seed(seed)


def looped_layer(x: Array, mean: Array, sigma: Array, bias: Array, bias_sigma: Array, numbers: Array) -> Array:
    """Return section 3 of Fortunato et al. (2018): x [B, F], normal numbers [F + G], those of features first."""
    found = np.zeros((len(x), OUT))
    moved = [np.sign(number) * np.sqrt(abs(number)) for number in numbers]
    for b, j in itertools.product(range(len(x)), range(OUT)):
        found[b, j] = bias[j] + bias_sigma[j] * moved[IN + j]
        for i in range(IN):
            found[b, j] += (mean[j, i] + sigma[j, i] * moved[i] * moved[IN + j]) * x[b, i]
    return found


@given(seed=st.integers(0, 2**31))
def test_a_noisy_layer_is_that_of_the_paper(seed: int) -> None:
    """One draw for the whole batch: a number for every feature and one for every output."""
    layer, rng = NoisyDense(IN, OUT), np.random.default_rng(seed)
    for parameter in layer.parameters():
        parameter.data = torch.from_numpy(rng.normal(size=tuple(parameter.shape)).astype(np.float32))
    x = rng.normal(size=(4, IN)).astype(np.float32)
    source = chance(seed)
    numbers = torch.cat([torch.randn(size, generator=source) for size in (IN, OUT)])
    values = [p.detach().numpy().astype(np.float64) for p in (layer.weight, layer.weight_sigma)]
    values += [p.detach().numpy().astype(np.float64) for p in (layer.bias, layer.bias_sigma, numbers)]
    found = layer(torch.from_numpy(x), chance(seed)).detach()
    np.testing.assert_allclose(found, looped_layer(x.astype(np.float64), *values), rtol=1e-4, atol=1e-4)


def test_a_layer_begins_as_in_the_paper() -> None:
    """Means are uniform within 1 / sqrt(F), sigmas are 0.5 / sqrt(F); noise has mean 0 and variance sqrt(2 / pi)."""
    layer = NoisyDense(400, 100)
    for mean in (layer.weight, layer.bias):
        assert mean.abs().max() <= 1 / 20
    assert layer.weight.abs().mean().item() == pytest.approx(1 / 40, rel=0.05)
    for sigma in (layer.weight_sigma, layer.bias_sigma):
        assert (sigma == 0.5 / 20).all()
    with torch.no_grad():
        layer.bias_sigma.fill_(1.0)
        layer.bias.zero_()
        drawn = torch.stack([layer(torch.zeros(1, 400), chance(seed))[0] for seed in range(200)])
    assert drawn.mean().item() == pytest.approx(0.0, abs=0.03)
    assert drawn.square().mean().item() == pytest.approx((2 / np.pi) ** 0.5, abs=0.02)


def test_a_sigma_is_taught_as_its_mean_is_times_the_noise() -> None:
    """Section 3: the gradient of a sigma is that of its weight, times the noise."""
    layer, x, upstream = NoisyDense(IN, OUT), torch.randn(4, IN), torch.randn(4, OUT)
    layer(x, chance(1)).backward(upstream)
    unit = NoisyDense(IN, OUT)
    with torch.no_grad():
        for name, parameter in unit.named_parameters():
            parameter.fill_(1.0 if "sigma" in name else 0.0)
        bias = unit(torch.zeros(1, IN), chance(1))[0]  # noise alone
        weight = unit(torch.eye(IN), chance(1)).T - bias[:, None]
    torch.testing.assert_close(layer.weight.grad, upstream.T @ x)
    torch.testing.assert_close(layer.weight_sigma.grad, (upstream.T @ x) * weight)
    torch.testing.assert_close(layer.bias_sigma.grad, upstream.sum(0) * bias)


@pytest.mark.parametrize(
    ("head", "dueling", "layer_norm"), [*((head, True, True) for head in HEADS), ("scalar", False, False)]
)
def test_without_noise_a_network_is_that_of_its_means(head: str, dueling: bool, layer_norm: bool) -> None:
    """Without noise the values are those of the mean weights; an update changes every sigma, under every head."""
    options: dict[str, Any] = {"head": head, "dueling": dueling, "layer_norm": layer_norm, "atoms": 11}
    learner = make_learner(noisy(**options), double=True)
    plain = QNetwork(NetworkSettings(kind="mlp", stack=STACK, hidden=16, **options), (4,), 3)
    weights = learner.online.state_dict()
    plain.load_state_dict({name: value for name, value in weights.items() if "sigma" not in name})
    obs = batch_of().obs
    with torch.no_grad():
        assert torch.equal(learner.online(obs), plain(obs))
        assert not torch.equal(learner.online(obs, chance(0)), plain(obs))
    sigmas = {name: value.clone() for name, value in weights.items() if "sigma" in name}
    assert len(sigmas) == 2 * (4 if dueling else 3)
    learner.update(batch_of())
    after = learner.online.state_dict()
    assert all(not torch.equal(after[name], value) for name, value in sigmas.items())


def seen_by(learner: Any) -> list[Tensor]:
    """Return a list that collects the outputs of the online and the target network from now on."""
    said: list[Tensor] = []
    for network in (learner.online, learner.target):
        network.advantage.register_forward_hook(lambda _, given, out: said.append(out.detach()))
    return said


def test_every_pass_of_every_update_has_noise_of_its_own() -> None:
    """Target, selection and online pass, with equal weights, over the same states: three draws in each update."""
    learner = make_learner(noisy(), double=True, learning_rate=1e-12)
    batch = batch_of(next_obs=batch_of().obs)
    said = seen_by(learner)
    for _ in range(2):
        learner.update(batch)
    assert len(said) == 6
    assert all((one - other).abs().max() > 1e-3 for one, other in itertools.combinations(said, 2))
    again = make_learner(noisy(), double=True, learning_rate=1e-12)
    said_again = seen_by(again)
    for _ in range(2):
        again.update(batch)
    assert all(map(torch.equal, said, said_again))


def test_noise_follows_from_the_seed_and_the_update() -> None:
    """A learner of the same seed that loads a state draws the same noise."""
    learner, fresh, other = (make_learner(noisy(), seed=seed) for seed in (0, 0, 1))
    for seed in range(3):
        learner.update(batch_of(8, seed))
        other.update(batch_of(8, seed))
    fresh.load_state(learner.state())
    other.load_state(learner.state())
    for each in (learner, fresh, other):
        each.update(batch_of(8, 3))
    assert torch.equal(flat(learner), flat(fresh))
    assert not torch.equal(flat(learner), flat(other)), "another seed draws other noise"
    passes = ((ONLINE, 5), (TARGET, 5), (ONLINE, 6))
    states = [learner.noise_generator(*each).get_state() for each in passes]  # type: ignore[union-attr]
    assert not any(map(torch.equal, states, [*states[1:], states[0]]))
    assert make_learner().noise_generator(ONLINE, 0) is None, "a network without noise draws nothing"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_rollout_acts_with_noise_and_an_evaluation_without(precision: Any) -> None:
    """Noise is drawn anew at every step and for all envs together; shipped weights act as the learner's own."""
    learner = make_learner(noisy())
    policy = QPolicy(copy.deepcopy(learner.target), precision=precision)
    policy.load(learner.weights())
    frame, first = np.ones((5, 1, 4), np.float32), np.ones(5, np.bool_)
    none = Explore(lambda actions: np.full(5, -1, np.int16))

    def q(explore: Explore | None, by: QPolicy = policy) -> NDArray[Any]:
        return by.act(frame, first, by.start(5), explore).values

    seeds = iter([3, 4, 3, 3])
    explore = none._replace(noise=lambda: next(seeds))
    one, other, again = q(explore), q(explore), q(explore)
    assert (one == one[:1]).all(), "what is seen alike is judged alike"
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(q(None), q(none))
    assert not np.array_equal(q(none), one)
    np.testing.assert_array_equal(q(explore, QPolicy(learner.online, precision=precision)), one)


def test_means_that_are_kept_follow_every_update() -> None:
    """Cached mean weights follow every update, also with noisy acting in between."""
    learner, obs = make_learner(noisy()), batch_of().obs.numpy()
    policy = QPolicy(learner.online, precision="bf16")
    for seed in range(3):
        policy.values(obs), policy.values(obs, lambda: 1)
        learner.update(batch_of(8, seed))
        fresh = QPolicy(copy.deepcopy(learner.target), precision="bf16")
        fresh.load(learner.weights())
        np.testing.assert_array_equal(policy.values(obs), fresh.values(obs))
        np.testing.assert_array_equal(policy.values(obs, lambda: 1), fresh.values(obs, lambda: 1))


def test_noise_alone_explores() -> None:
    """With epsilon 0, as in Rainbow, a fresh noisy network takes both actions, and one without noise takes one."""
    settings = rainbow()
    assert settings.network.noisy
    assert (settings.exploration.final, settings.exploration.anneal_steps) == (0.0, 1)
    taken = {}
    for chancy in (True, False):
        env = make_env(EnvSettings(id="toy/chain"), 4)
        torch.manual_seed(0)
        network = QNetwork(NetworkSettings(kind="mlp", stack=1, hidden=16, noisy=chancy), (5,), 2)
        rollout = Rollout(env, QPolicy(network, precision="fp32"), ExplorationSettings(start=0.0, final=0.0), seed=0)
        taken[chancy] = rollout.collect(40, 0)[0].action
    assert len(np.unique(taken[True])) == 2
    assert np.unique(taken[False]).size == 1
