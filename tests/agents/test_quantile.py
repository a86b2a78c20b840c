"""Quantile and histogram heads against slow code written from the papers; Munchausen targets under every head."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.networks.histogram import HistogramHead
from agents.networks.losses import q_target
from agents.networks.munchausen import munchausen_reward, soft_policy, soft_value
from agents.networks.q_network import HEADS, NetworkSettings
from agents.networks.quantile import QuantileHead
from tests.small_learner import batch_of, make_learner

B, A, N = 5, 3, 7
LOW, HIGH = -2.0, 3.0
Array = NDArray[np.float64]


def looped_quantile_loss(quantile: Array, target: Array) -> Array:
    """Return equation 10 of Dabney et al. (2018) with kappa 1: quantiles and targets [B, N] -> [B]."""
    found = np.zeros(len(quantile))
    for b in range(len(quantile)):
        for i in range(N):
            middle = (i + 0.5) / N
            for j in range(N):
                u = target[b, j] - quantile[b, i]
                huber = 0.5 * u * u if abs(u) <= 1 else abs(u) - 0.5
                found[b] += abs(middle - (1 if u < 0 else 0)) * huber / N
    return found


@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 10.0))
def test_the_quantile_loss_is_that_of_the_paper(seed: int, scale: float) -> None:
    """The loss is equation 10's; the priority is the mean distance between sorted quantiles and sorted targets."""
    rng = np.random.default_rng(seed)
    out, target = rng.normal(0, scale, (B, A, N)), rng.normal(0, scale, (B, N))
    action = rng.integers(A, size=B)
    found = QuantileHead(N).loss(*map(torch.from_numpy, (out, action, target)), "huber")
    mine = out[np.arange(B), action]
    np.testing.assert_allclose(found.loss, looped_quantile_loss(mine, target), rtol=1e-6)
    np.testing.assert_allclose(found.priority, np.abs(np.sort(mine, 1) - np.sort(target, 1)).mean(1), rtol=1e-6)


def test_quantiles_of_a_coin_are_learned() -> None:
    """For returns of 0 or 10 with equal odds, quantiles lie where Huber's slopes balance, within 1 of 0 or 10."""
    settings = NetworkSettings(kind="mlp", stack=2, hidden=32, head="quantile", atoms=10)
    learner, batch = make_learner(settings, learning_rate=1e-2, reward_clip=0.0), batch_of(64)
    same = batch.obs[:1].expand(64, -1, -1, -1).contiguous()
    coin = torch.arange(64).remainder(2).float()[:, None] * torch.tensor([10.0, 0.0])
    zeros = torch.zeros(64)
    batch = batch._replace(obs=same, action=zeros.long(), reward=coin, discount=zeros, priority=zeros + 1)
    for _ in range(600):
        learner.update(batch)
    quantiles = learner.online.out(same[:1])[0, 0].detach().sort().values
    wanted = [share / (1 - share) for share in (0.05, 0.15, 0.25, 0.35, 0.45)]  # where Huber's slopes balance
    np.testing.assert_allclose(quantiles[:5], wanted, atol=0.15)
    np.testing.assert_allclose(quantiles[5:], 10 - np.array(wanted[::-1]), atol=0.15)


@given(value=st.floats(-5.0, 5.0), bins=st.integers(3, 60))
def test_a_value_is_blurred_over_its_bins(value: float, bins: int) -> None:
    """Bins get the shares of a truncated normal of 0.75 bins' deviation (Farebrother et al. 2024, section 3.1)."""
    head, width = HistogramHead(bins, LOW, HIGH), (HIGH - LOW) / bins
    found = head.gaussian_target(torch.tensor([value], dtype=torch.float64))[0].numpy()
    centre = min(max(value, LOW), HIGH)
    edges = [LOW + i * width for i in range(bins + 1)]
    below = [0.5 * (1 + math.erf((edge - centre) / (0.75 * width * math.sqrt(2)))) for edge in edges]
    shares = [(high - low) / (below[-1] - below[0]) for low, high in itertools.pairwise(below)]
    np.testing.assert_allclose(found, shares, atol=1e-9)
    if LOW + 4 * width < value < HIGH - 4 * width:
        assert found @ head.support(torch.zeros(())).numpy() == pytest.approx(value, abs=1e-3 * width)


def munchausen(reward: Array, discount: Array, q_t: Array, q_next: Array, action: Any, temperature: float) -> Array:
    """Return equation 2 of Vieillard et al. (2020) with alpha 0.9, l0 -1."""
    found = np.zeros(B)
    for b in range(B):
        here, there = (np.exp((q[b] - q[b].max()) / temperature) for q in (q_t, q_next))
        here, there = here / here.sum(), there / there.sum()
        bonus = 0.9 * np.clip(temperature * np.log(here[action[b]] + 1e-300), -1.0, 0.0)
        soft = sum(p * (q - temperature * np.log(p)) for p, q in zip(there, q_next[b], strict=True) if p > 0)
        found[b] = reward[b] + bonus + discount[b] * soft
    return found


@given(seed=st.integers(0, 2**31), temperature=st.sampled_from([0.03, 0.3, 1.0]))
def test_munchausen_targets_are_those_of_the_paper(seed: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    reward, discount = rng.normal(size=B), rng.choice([0.0, 0.9], B)
    q_t, q_next, action = rng.normal(size=(B, A)), rng.normal(size=(B, A)), rng.integers(A, size=B)
    r, d, q, n = map(torch.from_numpy, (reward, discount, q_t, q_next))
    own = munchausen_reward(q, torch.from_numpy(action), temperature, 0.9)
    found = q_target(r + own + d * soft_value(n, temperature), d, n, soft_policy(n, temperature))
    np.testing.assert_allclose(found, munchausen(reward, discount, q_t, q_next, action, temperature), atol=1e-9)


@pytest.mark.parametrize("head", HEADS)
def test_the_mean_of_a_heads_target_is_the_target_of_its_values(head: str) -> None:
    """The mean of a head's target equals the target of its values under a stochastic next policy."""
    settings = NetworkSettings(kind="mlp", stack=2, hidden=16, head=head, atoms=401, value_min=-20, value_max=20)
    net = make_learner(settings).online
    out = net.out(batch_of(B).next_obs)
    return_t = torch.randn(B).clamp(-2, 2)  # well inside the bounds at 20, where nothing is cut
    discount = torch.tensor([0.0, 0.9, 0.5, 0.8, 0.9])
    policy = soft_policy(torch.randn(B, A), 1.0)
    target = net.head.target(return_t, discount, out, policy)
    probable = head in ("categorical", "histogram")
    mean = net.head.q(target[:, None].log())[:, 0] if probable else target.view(B, -1).mean(1)
    torch.testing.assert_close(mean, q_target(return_t, discount, net.head.q(out), policy), atol=1e-3, rtol=0)


def test_a_learners_error_is_that_of_the_paper() -> None:
    """The TD error uses the target network's values of both states and adds the bonus to clipped rewards."""
    learner = make_learner(munchausen=0.9, temperature=0.3, reward_clip=1.0, target_period=1000)
    with torch.no_grad():  # a target network that differs from the online one
        for p in learner.target.parameters():
            p += 0.1
        batch = batch_of(B)
        values = (learner.target(batch.obs), learner.target(batch.next_obs), learner.online(batch.obs))
    q_t, q_next, q = (each.double().numpy() for each in values)
    action, reward = batch.action.numpy(), batch.reward.double().numpy().clip(-1.0, 1.0)
    target = munchausen(reward[:, 0] + 0.9 * reward[:, 1], batch.discount.double().numpy(), q_t, q_next, action, 0.3)
    found = learner.update(batch).distributions["td_error"]
    np.testing.assert_allclose(found.numpy(), target - q[range(B), action], rtol=1e-5, atol=1e-5)


def test_munchausen_changes_what_a_learner_learns() -> None:
    """A Munchausen share changes the learned weights, and is refused together with learner.double."""
    plain, soft = make_learner(), make_learner(munchausen=0.9)
    for learner in (plain, soft):
        learner.update(batch_of(8))
    assert any(not np.array_equal(a, b) for a, b in zip(plain.weights().values(), soft.weights().values(), strict=True))
    with pytest.raises(ValueError, match=r"without learner\.double"):
        make_learner(munchausen=0.9, double=True)
