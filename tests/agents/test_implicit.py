"""Implicit quantiles against slow code written from the paper (Dabney et al. 2018, IQN)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from agents.networks.implicit import ImplicitHead, Quantiles, TauEmbedding
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.replay.frames import to_blocks
from tests.small_learner import STACK, A, batch_of, make_learner

B, F, N, M = 4, 6, 5, 3
Array = NDArray[np.float64]


def implicit(kind: str = "mlp", **options: Any) -> NetworkSettings:
    """Return settings for a small implicit network: 5 taus online, 3 of the target, 4 for values."""
    samples = {"tau_samples": N, "tau_samples_target": M, "tau_samples_acting": 4}
    return NetworkSettings(kind=kind, stack=STACK, head="implicit", **{"hidden": 16, **samples, **options})


def looped_embedding(tau: float, weight: Array, bias: Array) -> Array:
    """Return equation 4: 64 cosines of one tau -> [F]."""
    found = bias.copy()
    for j in range(len(bias)):
        for i in range(64):
            found[j] += math.cos(math.pi * i * tau) * weight[j, i]
        found[j] = max(found[j], 0.0)
    return found


def looped_loss(value: Array, tau: Array, target: Array) -> Array:
    """Return equation 3 with kappa 1: quantiles [B, N] at taus [B, N], targets [B, M] -> [B]."""
    found = np.zeros(len(value))
    for b in range(len(value)):
        for i in range(value.shape[1]):
            for j in range(target.shape[1]):
                error = target[b, j] - value[b, i]
                huber = 0.5 * error**2 if abs(error) <= 1 else abs(error) - 0.5
                found[b] += abs(tau[b, i] - (1 if error < 0 else 0)) * huber / target.shape[1]
    return found


@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 10.0))
def test_the_loss_is_that_of_the_paper(seed: int, scale: float) -> None:
    """The target may have another number of taus; the priority is the error of the mean value."""
    rng = np.random.default_rng(seed)
    value, tau = rng.normal(0, scale, (B, A, N)), rng.uniform(size=(B, N))
    target, action = rng.normal(0, scale, (B, M)), rng.integers(A, size=B)
    out = Quantiles(torch.from_numpy(value), torch.from_numpy(tau))
    found = ImplicitHead(N, M, 4).loss(out, torch.from_numpy(action), torch.from_numpy(target), "huber")
    mine = value[np.arange(B), action]
    np.testing.assert_allclose(found.loss, looped_loss(mine, tau, target), rtol=1e-6)
    np.testing.assert_allclose(found.priority, np.abs(target.mean(1) - mine.mean(1)), rtol=1e-6)


@pytest.mark.parametrize("shared", [False, True])
def test_features_are_asked_at_every_share(shared: bool) -> None:
    layer, x = TauEmbedding(F), torch.randn(B, F)
    tau = torch.rand(1 if shared else B, N)
    weight, bias = (p.detach().numpy().astype(np.float64) for p in layer.dense.parameters())
    found = layer(x, tau).detach().view(B, N, F)
    for b in range(B):
        for n in range(N):
            wanted = x[b].numpy() * looped_embedding(float(tau[0 if shared else b, n]), weight, bias)
            np.testing.assert_allclose(found[b, n], wanted, atol=1e-4)


@pytest.mark.parametrize(("kind", "dueling"), [("mlp", False), ("mlp", True), ("dqn2013", True)])
def test_a_network_asks_between_its_convolutions_and_its_dense_layer(kind: str, dueling: bool) -> None:
    """Outputs equal Z_tau(s, a) = f(psi(s) * phi(tau))_a, computed for one state and tau at a time."""
    torch.manual_seed(0)
    pixels = kind != "mlp"
    network = QNetwork(implicit(kind, dueling=dueling), (84, 84) if pixels else (4,), A)
    obs = torch.from_numpy(blocks()) if pixels else batch_of(2).obs
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        found = network.out(obs, torch.Generator().manual_seed(1))
        tau = torch.rand(len(obs), M, generator=source)
        torch.testing.assert_close(found.tau, tau, atol=0, rtol=0)
        place = next(i for i, layer in enumerate(network.body) if isinstance(layer, TauEmbedding))
        dense, seen = network.body[place + 1], network._laid_out(obs)
        for layer in network.body[:place]:
            seen = layer(seen)
        weight, bias = (p.numpy().astype(np.float64) for p in network.body[place].dense.parameters())
        for b in range(len(obs)):
            for n in range(M):
                asked = seen[b] * torch.from_numpy(looped_embedding(float(tau[b, n]), weight, bias)).float()
                hidden = nn.functional.linear(asked, dense.weight, dense.bias).relu()
                values = network.advantage(hidden[None])[0]
                if network.value is not None:
                    values = network.value(hidden[None])[0] + values - values.mean()
                torch.testing.assert_close(found.value[b, :, n], values, atol=1e-4, rtol=1e-4)


def blocks() -> NDArray[np.uint8]:
    """Return two stacks of random pixels in a network's layout."""
    planes = np.random.default_rng(0).integers(256, size=(2, STACK, 84, 84), dtype=np.uint8)
    return np.stack([to_blocks(np.ascontiguousarray(planes[:, k])) for k in range(STACK)], axis=2)


def test_shares_are_drawn_where_it_learns_and_fixed_where_it_acts() -> None:
    """N taus online and N' of the target are drawn for each transition; a value is the mean of K midpoints."""
    learner, batch = make_learner(implicit()), batch_of(B)
    learned, judged = learner.online.out(batch.obs, learner.noise_generator(0, 0)), learner.bootstrap(batch)
    assert (learned.value.shape, learned.tau.shape) == ((B, A, N), (B, N))
    assert (judged.value.shape, judged.tau.shape) == ((B, A, M), (B, M))
    assert torch.unique(learned.tau).numel() == B * N
    assert not torch.equal(learner.bootstrap(batch).tau, judged.tau), "shares of another update"
    fixed = learner.online.out(batch.obs)
    torch.testing.assert_close(fixed.tau, torch.tensor([[0.125, 0.375, 0.625, 0.875]]))
    torch.testing.assert_close(learner.online(batch.obs), fixed.value.mean(2))
    with torch.no_grad():
        assert torch.equal(learner.online(batch.obs), learner.online(batch.obs))


def test_somebody_elses_network_is_asked_behind_its_features() -> None:
    torch.manual_seed(0)
    network = QNetwork(implicit("impala", noisy=True), (84, 84), A)
    out = network.out(torch.from_numpy(blocks()), torch.Generator().manual_seed(0))
    assert out.value.shape == (2, A, N)
    assert out.value.std(2).min() > 0


def test_quantiles_are_learned_at_shares_that_were_never_asked_for() -> None:
    """For returns even in 0 to 10, the quantiles at fixed taus converge to the Huber loss's balance, 0.5 + 9 tau."""
    settings = implicit(tau_samples=64, tau_samples_acting=10, hidden=32)
    learner, batch = make_learner(settings, learning_rate=3e-3, reward_clip=0.0), batch_of(32)
    even = (torch.arange(32) + 0.5)[:, None] * torch.tensor([10.0, 0.0]) / 32
    zeros, same = torch.zeros(32), batch.obs[:1].expand(32, -1, -1, -1).contiguous()
    batch = batch._replace(obs=same, action=zeros.long(), reward=even, discount=zeros, priority=zeros + 1)
    found = torch.zeros(10)
    for update in range(300):
        learner.update(batch)
        if update >= 200:
            found += learner.online.out(same[:1]).value[0, 0].detach() / 100
    np.testing.assert_allclose(found, 0.5 + 9 * (np.arange(10) + 0.5) / 10, atol=0.5)


@pytest.mark.parametrize("name", ["tau_samples", "tau_samples_target", "tau_samples_acting"])
def test_an_implicit_head_asks_at_least_once(name: str) -> None:
    with pytest.raises(ValueError, match=rf"network\.{name} is 0: use 1 or more"):
        implicit(**{name: 0})
