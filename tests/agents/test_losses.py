"""The losses against slow oracles written from the papers, and against rlax."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import rlax
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from agents.losses import clip_reward, error_loss, importance_weights, n_step_return, q_target, td_error
from agents.windows import n_step_window, stack_ages

B, A = 6, 4
GAMMA = 0.97
Array = NDArray[Any]

# rlax computes in float32, and takes subnormal numbers for 0.
values = arrays(np.float64, (B, A), elements=st.floats(-30, 30, width=32, allow_subnormal=False))
rewards = arrays(np.float64, (B,), elements=st.floats(-5, 5, width=32, allow_subnormal=False))
discounts = arrays(np.float64, (B,), elements=st.sampled_from([0.0, GAMMA, GAMMA**3]))
actions = arrays(np.int64, (B,), elements=st.integers(0, A - 1))
errors = arrays(np.float64, (B,), elements=st.floats(-1e4, 1e4))


def tensors(*parts: Array) -> list[torch.Tensor]:
    """The same numbers for torch."""
    return [torch.from_numpy(part.copy()) for part in parts]


@given(q_next=values, q_select=values, q_t=values, reward=rewards, discount=discounts, action=actions)
def test_targets_and_errors_equal_the_papers_and_rlax(
    q_next: Array, q_select: Array, q_t: Array, reward: Array, discount: Array, action: Array
) -> None:
    """Mnih et al. 2015 with q_next as its own selector; van Hasselt et al. 2016 with the online network's."""
    for select, reference in ((q_next, None), (q_select, rlax.double_q_learning)):
        wanted = np.empty(B)
        for b in range(B):
            best = int(np.argmax(select[b]))
            wanted[b] = reward[b] + discount[b] * q_next[b, best]
        r, d, n, s, q, a = tensors(reward, discount, q_next, select, q_t, action)
        target = q_target(r, d, n, s)
        error = td_error(q, a, target)
        np.testing.assert_allclose(target.numpy(), wanted, rtol=1e-12)
        np.testing.assert_allclose(error.numpy(), wanted - q_t[np.arange(B), action], rtol=1e-9, atol=1e-9)
        if reference is None:
            theirs = jax.vmap(rlax.q_learning)(q_t, action, reward, discount, q_next)
        else:
            theirs = jax.vmap(reference)(q_t, action, reward, discount, q_next, select)
        np.testing.assert_allclose(error.numpy(), np.asarray(theirs), rtol=1e-4, atol=1e-4)


def test_no_gradient_reaches_the_target() -> None:
    q_next, q_t = (torch.randn(B, A, requires_grad=True) for _ in range(2))
    target = q_target(torch.zeros(B), torch.ones(B), q_next, q_next)
    td_error(q_t, torch.zeros(B, dtype=torch.int64), target).sum().backward()  # type: ignore[no-untyped-call]
    assert q_next.grad is None
    assert q_t.grad is not None
    assert q_t.grad.abs().sum() == B


@given(error=errors)
def test_huber_and_squared_equal_rlax_and_clip_the_gradient(error: Array) -> None:
    """Huber's gradient is the error clipped to -1..1, the squared loss's the error itself."""
    for kind, theirs, slope in (("huber", rlax.huber_loss, np.clip(error, -1, 1)), ("squared", rlax.l2_loss, error)):
        leaf = torch.from_numpy(error.copy()).requires_grad_()
        loss = error_loss(leaf, kind)  # type: ignore[arg-type]
        loss.sum().backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        np.testing.assert_allclose(leaf.grad.numpy(), slope, rtol=1e-12)
        np.testing.assert_allclose(loss.detach().numpy(), np.asarray(theirs(error)), rtol=1e-5, atol=1e-6)


@given(reward=arrays(np.float64, (B, 3), elements=st.floats(-20, 20)), bound=st.sampled_from([0.0, 0.5, 1.0]))
def test_rewards_are_clipped_to_the_bound_or_left_raw(reward: Array, bound: float) -> None:
    (r,) = tensors(reward)
    wanted = np.clip(reward, -bound, bound) if bound else reward
    np.testing.assert_array_equal(clip_reward(r, bound).numpy(), wanted)


@st.composite
def lanes(draw: st.DrawFn) -> tuple[Array, Array, Array, int]:
    """One lane of T steps: rewards, which steps terminate, values of the states behind them, and n."""
    time = 8  # one shape: jax compiles once
    reward = draw(arrays(np.float64, time, elements=st.floats(-5, 5, width=32, allow_subnormal=False)))
    value = draw(arrays(np.float64, time, elements=st.floats(-30, 30, width=32, allow_subnormal=False)))
    return reward, draw(arrays(np.bool_, time)), value, draw(st.sampled_from([1, 3, 5]))


@given(lane=lanes())
def test_c6_n_step_targets_equal_rlax(lane: tuple[Array, Array, Array, int]) -> None:
    """C6: windows, returns and discounts together, with terminations anywhere in the lane."""
    reward, terminal, value, n = lane
    theirs = rlax.n_step_bootstrapped_returns(reward, GAMMA * ~terminal, value, n)
    starts = np.arange(len(reward) - n + 1)
    rows = starts[:, None] + np.arange(n)
    inside, ended = n_step_window(np.zeros_like(rows, np.bool_), terminal[rows])
    steps = inside.sum(1)
    returns = n_step_return(torch.from_numpy(reward[rows] * inside), GAMMA).numpy()
    ours = returns + np.where(ended, 0.0, GAMMA**steps) * value[starts + steps - 1]
    np.testing.assert_allclose(ours, np.asarray(theirs)[starts], rtol=1e-4, atol=1e-4)


@given(reward=arrays(np.float64, st.tuples(st.just(B), st.integers(1, 6)), elements=st.floats(-9, 9)))
def test_n_step_returns_are_discounted_sums(reward: Array) -> None:
    wanted = [sum(GAMMA**i * r for i, r in enumerate(row)) for row in reward]
    np.testing.assert_allclose(n_step_return(torch.from_numpy(reward), GAMMA).numpy(), wanted, rtol=1e-9, atol=1e-12)


@given(next_first=arrays(np.bool_, (20, 5)), terminal=arrays(np.bool_, (20, 5)))
def test_c6_windows_stop_at_terminations_and_before_new_episodes(next_first: Array, terminal: Array) -> None:
    """Step by step: a step counts unless it crosses into another episode or one before it ended all value."""
    inside, ended = n_step_window(next_first, terminal)
    for b in range(20):
        steps, over = [], False
        for i in range(5):
            if next_first[b, i]:
                break
            steps.append(i)
            if terminal[b, i]:
                over = True
                break
        assert np.flatnonzero(inside[b]).tolist() == steps
        assert ended[b] == over


@given(first=arrays(np.bool_, st.tuples(st.integers(1, 8), st.integers(1, 5))))
def test_c10_stack_ages_stop_at_the_first_frame(first: Array) -> None:
    for flags, ages in zip(first, stack_ages(first), strict=True):
        limit = next((age for age, begins in enumerate(flags) if begins), len(flags) - 1)
        assert ages.tolist() == [min(age, limit) for age in range(len(flags))]


@given(priority=arrays(np.float64, (B,), elements=st.floats(1e-4, 1e3)), beta=st.floats(0, 1))
def test_c14_importance_weights_follow_the_paper(priority: Array, beta: float) -> None:
    """C14: (1/N 1/P)^beta over the batch's maximum, whatever the replay's size and mass (Schaul et al. 2016)."""
    probability = priority / (7.0 * priority.sum())  # of a buffer seven times as heavy as the batch
    full = (1.0 / (1000 * probability)) ** beta
    ours = importance_weights(torch.from_numpy(priority), beta).numpy()
    np.testing.assert_allclose(ours, full / full.max(), rtol=1e-9)
    assert ours.max() == pytest.approx(1.0)
