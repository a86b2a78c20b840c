"""Properties that all heads share, and C51's projection against the paper's loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from agents.acting.policy import QPolicy
from agents.networks.categorical import CategoricalHead
from agents.networks.implicit import Quantiles
from agents.networks.losses import greedy
from agents.networks.q_network import HEADS, NetworkSettings, QNetwork
from tests.small_learner import batch_of, make_learner

ATOMS, LOW, HIGH = 11, -2.0, 3.0
ACTIONS, BATCH = 3, 6


def network(head: str, *, dueling: bool = False) -> QNetwork:
    """Return a small network for vectors of 4 numbers."""
    torch.manual_seed(0)
    settings = NetworkSettings(
        kind="mlp",
        stack=1,
        hidden=8,
        head=head,
        atoms=ATOMS,
        value_min=LOW,
        value_max=HIGH,
        dueling=dueling,  # type: ignore[arg-type]
    )
    return QNetwork(settings, (4,), ACTIONS)


def numbers_of(out: Any) -> Tensor:
    """Return the values in a network's output, [B, A] or [B, A, Z]."""
    return out.value if isinstance(out, Quantiles) else out


def filled(out: Any, numbers: Tensor) -> Any:
    """Return the output with other values."""
    return out._replace(value=numbers) if isinstance(out, Quantiles) else numbers


def looped_projection(probability: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Algorithm 1 of Bellemare et al. (2017), written out: probabilities and values [B, Z] -> [B, Z]."""
    projected = np.zeros_like(probability)
    gap = (HIGH - LOW) / (ATOMS - 1)
    for row in range(len(probability)):
        for p, v in zip(probability[row], value[row], strict=True):
            place = (min(max(v, LOW), HIGH) - LOW) / gap
            lower, upper = int(np.floor(place + 1e-12)), int(np.ceil(place - 1e-12))
            if lower == upper:
                projected[row, lower] += p
            else:
                projected[row, lower] += p * (upper - place)
                projected[row, upper] += p * (place - lower)
    return projected


@given(seed=st.integers(0, 2**31), discount=st.sampled_from([0.0, 0.5, 0.99, 1.0]), scale=st.floats(0.0, 5.0))
def test_a_distribution_is_projected_as_in_the_paper(seed: int, discount: float, scale: float) -> None:
    """The projection sums to 1 and keeps the mean of the clipped values."""
    rng = np.random.default_rng(seed)
    head = CategoricalHead(ATOMS, LOW, HIGH)
    probability = rng.dirichlet(np.ones(ATOMS), BATCH)
    value = rng.normal(0, scale, (BATCH, 1)) + discount * np.linspace(LOW, HIGH, ATOMS)
    found = head.project(torch.tensor(probability), torch.tensor(value)).numpy()
    np.testing.assert_allclose(found, looped_projection(probability, value), atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1.0, atol=1e-6)
    kept = (probability * value.clip(LOW, HIGH)).sum(1)
    np.testing.assert_allclose(found @ np.linspace(LOW, HIGH, ATOMS), kept, atol=1e-5)


def test_the_target_takes_the_best_action_of_whoever_selects() -> None:
    """The target uses the selected action, as double learning needs; a terminal state's target lies on the return."""
    head = CategoricalHead(ATOMS, LOW, HIGH)
    out = torch.randn(2, ACTIONS, ATOMS)
    q_select = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 5.0]])
    target = head.target(torch.tensor([0.5, 1.0]), torch.tensor([1.0, 0.0]), out, greedy(q_select))
    chosen = out[0, 1].softmax(0)[None]
    torch.testing.assert_close(target[0], head.project(chosen, 0.5 + head.support(out)[None])[0])
    assert target[1].argmax() == round((1.0 - LOW) / (HIGH - LOW) * (ATOMS - 1))
    assert float(target[1].max()) == pytest.approx(1.0)


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_values_are_what_acting_sees(head: str, dueling: bool) -> None:
    """Values are [B, A] for every head, and the policy has the same greedy actions."""
    net, obs = network(head, dueling=dueling), torch.randn(BATCH, 4, 1, 1)
    out, q = net.out(obs), net(obs)
    assert q.shape == (BATCH, ACTIONS)
    torch.testing.assert_close(net.head.q(out), q)
    values = QPolicy(net, precision="fp32").values(obs.numpy())
    np.testing.assert_array_equal(values.argmax(1), q.argmax(1).numpy())


@pytest.mark.parametrize("head", list(HEADS))
def test_an_actor_in_bfloat16_sees_float32_values(head: str) -> None:
    """In bfloat16 the values are float32 and within 0.02 of the exact ones."""
    net, obs = network(head), np.random.default_rng(0).normal(size=(5, 1, 1, 4)).astype(np.float32)
    rounded, exact = (QPolicy(net, precision=p).values(obs) for p in ("bf16", "fp32"))  # type: ignore[arg-type]
    assert rounded.dtype == np.float32
    np.testing.assert_allclose(rounded, exact, atol=0.02)


@pytest.mark.parametrize("head", HEADS)
def test_a_loss_moves_only_the_action_taken(head: str) -> None:
    """The gradient equals a finite difference, and is 0 for the other actions."""
    net = network(head)
    given = net.out(torch.randn(BATCH, 4, 1, 1))
    out = numbers_of(given).detach().requires_grad_()
    action = torch.tensor([0, 1, 2, 0, 1, 2])
    policy, out_next = greedy(torch.randn(BATCH, 3)), filled(given, torch.randn_like(out))
    target = net.head.target(torch.randn(BATCH), torch.full((BATCH,), 0.9), out_next, policy)

    def total(numbers: Tensor) -> Tensor:
        return net.head.loss(filled(given, numbers), action, target, "squared").loss.sum()

    (gradient,) = torch.autograd.grad(total(out), out)
    others = torch.ones(BATCH, ACTIONS, dtype=torch.bool).scatter(1, action[:, None], value=False)
    assert (gradient[others] == 0).all()
    direction = torch.randn_like(out)
    moved = (total(out + 1e-3 * direction) - total(out - 1e-3 * direction)) / 2e-3
    assert float((gradient * direction).sum()) == pytest.approx(float(moved.detach()), rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("head", HEADS)
def test_priorities_vanish_where_nothing_is_left_to_learn(head: str) -> None:
    """Priorities are 0 or more, and 0 where the output equals the target."""
    net = network(head)
    given, action = net.out(torch.randn(BATCH, 4, 1, 1)), torch.zeros(BATCH, dtype=torch.int64)
    out = numbers_of(given).detach()
    exact = out[:, 0].softmax(1) if isinstance(net.head, CategoricalHead) else out[:, 0]
    found = net.head.loss(filled(given, out), action, exact, "huber")
    torch.testing.assert_close(found.priority, torch.zeros(BATCH), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.distributions["q_of_actions_taken"], net.head.q(given)[:, 0].detach())
    other = net.head.loss(filled(given, out + torch.randn_like(out)), action, exact, "huber")
    assert (other.priority >= 0).all()
    assert float(other.priority.max()) > 0.01


@pytest.mark.parametrize("head", HEADS)
def test_a_learner_learns_the_return_of_a_terminal_batch(head: str) -> None:
    """The values of the actions taken become the returns, under every head."""
    settings = NetworkSettings(kind="mlp", stack=2, hidden=32, head=head, atoms=21, value_min=-2, value_max=2)
    learner, batch = make_learner(settings, learning_rate=1e-2), batch_of(8)
    batch = batch._replace(discount=torch.zeros(8), reward=batch.reward.clamp(-1, 1))
    for _ in range(300):
        update = learner.update(batch)
    returns = batch.reward[:, 0] + 0.9 * batch.reward[:, 1]
    torch.testing.assert_close(update.distributions["q_of_actions_taken"], returns, atol=0.1, rtol=0)


@pytest.mark.parametrize("dueling", [False, True])
def test_actions_are_told_apart_under_autocast(dueling: bool) -> None:
    """Values near 1 that differ by a thousandth keep their order, though bfloat16 alone would make them ties."""
    torch.manual_seed(0)
    net = QNetwork(NetworkSettings(kind="dqn2013", dueling=dueling), (84, 84), 6)
    blocks = torch.randint(256, (3, 441, 4, 16), dtype=torch.uint8)
    with torch.no_grad():
        net.advantage.weight.mul_(1e-3)
        net.advantage.bias.copy_(1 + 1e-3 * torch.arange(6) / 6)
        with torch.autocast("cpu", torch.bfloat16):
            q = net(blocks)
        exact = net(blocks)
    assert (q.argmax(1) == exact.argmax(1)).all()
    torch.testing.assert_close(q - q.mean(1, keepdim=True), exact - exact.mean(1, keepdim=True), atol=2e-5, rtol=0)
