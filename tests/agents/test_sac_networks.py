"""The squashed Gaussian, its temperature and batch renorm, each against slow code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from agents.sac.gaussian import sample_tanh_gaussian, temperature_loss
from agents.sac.networks import EPSILON, BatchRenorm


@given(
    mean=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    log_std=st.lists(st.floats(-3, 0.3), min_size=3, max_size=3),
    noise=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
)
def test_log_probability_is_that_of_a_squashed_normal(
    mean: list[float], log_std: list[float], noise: list[float]
) -> None:
    m, s, n = (torch.tensor([values], dtype=torch.float64) for values in (mean, log_std, noise))
    found = sample_tanh_gaussian(m, s, n)
    oracle = TransformedDistribution(Normal(m, s.exp()), [TanhTransform(cache_size=1)])
    u = m + s.exp() * n
    by_hand = Normal(m, s.exp()).log_prob(u) - torch.log1p(-torch.tanh(u).square())
    torch.testing.assert_close(found.log_prob, by_hand.sum(1), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.action, torch.tanh(u))
    inside = found.action.clamp(-0.999999, 0.999999)
    if torch.equal(inside, found.action):
        torch.testing.assert_close(found.log_prob, oracle.log_prob(inside).sum(1), rtol=1e-4, atol=1e-4)


def test_log_probability_stays_finite_where_tanh_is_one() -> None:
    mean = torch.full((1, 2), 30.0, requires_grad=True)
    found = sample_tanh_gaussian(mean, torch.zeros(1, 2), torch.zeros(1, 2))
    assert (found.action == 1.0).all()
    found.log_prob.sum().backward()  # type: ignore[no-untyped-call]
    assert mean.grad is not None
    assert found.log_prob.isfinite().all()
    torch.testing.assert_close(mean.grad, torch.full((1, 2), 2.0))  # d(2u)/du: log (1 - tanh^2) falls by 2 a unit


@pytest.mark.parametrize(("entropy", "falls"), [(0.5, True), (-3.0, False)])
def test_temperature_follows_the_entropy(entropy: float, falls: bool) -> None:
    """d loss / d log alpha = alpha (H - H_target): a descent step lowers alpha if the entropy is above its target."""
    log_alpha = torch.tensor(-0.7, requires_grad=True)
    temperature_loss(log_alpha, torch.tensor(entropy), -2.0).backward()  # type: ignore[no-untyped-call]
    assert log_alpha.grad is not None
    torch.testing.assert_close(log_alpha.grad, torch.tensor(np.exp(-0.7) * (entropy + 2.0), dtype=torch.float32))
    assert (log_alpha.grad > 0) == falls


def slow_renorm(norm: BatchRenorm, x: Tensor) -> Tensor:
    """Return algorithm 1 of Ioffe (2017), feature by feature."""
    columns = []
    for f in range(x.shape[1]):
        column = x[:, f]
        mean, deviation = column.mean(), (column.var(correction=0) + EPSILON).sqrt()
        running = (norm.var[f] + EPSILON).sqrt()
        r, d = 1.0, 0.0
        if norm.renorm_enabled:
            r = min(max(float((deviation / running).detach()), 1 / 3), 3.0)
            d = min(max(float(((mean - norm.mean[f]) / running).detach()), -5.0), 5.0)
        columns.append(((column - mean) / deviation * r + d) * norm.weight[f] + norm.bias[f])
    return torch.stack(columns, 1)


@pytest.mark.parametrize("renorm_enabled", [False, True])
def test_batch_renorm_is_the_papers(renorm_enabled: bool) -> None:
    """Values, gradients and statistics equal slow code; one feature is far out, so that both bounds are met."""
    torch.manual_seed(0)
    x = torch.randn(16, 4) * torch.tensor([1.0, 0.1, 50.0, 2.0]) + torch.tensor([0.0, 3.0, 200.0, -1.0])
    norm, slow = BatchRenorm(4), BatchRenorm(4)
    for each in (norm, slow):
        each.renorm_enabled = renorm_enabled
        with torch.no_grad():
            each.weight.copy_(torch.tensor([1.0, 2.0, 0.5, -1.0]))
            each.bias.copy_(torch.tensor([0.0, 1.0, -1.0, 0.3]))
            each.mean.copy_(torch.tensor([0.2, 2.0, 0.0, -1.0]))
    before = norm.mean.clone(), norm.var.clone()
    mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    pull = torch.randn(16, 4)
    found, expected = norm(mine, learns=True), slow_renorm(slow, theirs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    (found * pull).sum().backward()
    (expected * pull).sum().backward()
    for name in ("weight", "bias"):
        torch.testing.assert_close(getattr(norm, name).grad, getattr(slow, name).grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.mean, 0.99 * before[0] + 0.01 * x.mean(0))
    torch.testing.assert_close(norm.var, 0.99 * before[1] + 0.01 * x.var(0))


def test_a_pass_that_does_not_learn_uses_the_running_statistics_and_keeps_them() -> None:
    norm = BatchRenorm(2)
    norm.mean.copy_(torch.tensor([1.0, -1.0]))
    norm.var.copy_(torch.tensor([4.0, 0.25]))
    x = torch.tensor([[3.0, 0.0]])
    expected = (x - norm.mean) / (norm.var + EPSILON).sqrt()
    torch.testing.assert_close(norm(x, learns=False), expected)
    assert norm.mean.tolist() == [1.0, -1.0]
