"""The losses against slow oracles written from the papers, and against results of rlax (oracle/record_rlax.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from agents.networks.losses import (
    clip_reward,
    error_loss,
    greedy,
    importance_weights,
    n_step_return,
    q_target,
    td_error,
)
from agents.replay.windows import n_step_window, stack_ages

B, A = 6, 4
GAMMA = 0.97
Array = NDArray[Any]

values = arrays(np.float64, (B, A), elements=st.floats(-30, 30, width=32))
rewards = arrays(np.float64, (B,), elements=st.floats(-5, 5, width=32))
discounts = arrays(np.float64, (B,), elements=st.sampled_from([0.0, GAMMA, GAMMA**3]))
actions = arrays(np.int64, (B,), elements=st.integers(0, A - 1))
errors = arrays(np.float64, (B,), elements=st.floats(-1e4, 1e4))


def tensors(*parts: Array) -> list[torch.Tensor]:
    """Return the same numbers as tensors."""
    return [torch.from_numpy(part.copy()) for part in parts]


@pytest.fixture(scope="module")
def rlax() -> dict[str, Array]:
    """Return inputs of rlax in float32, and its results."""
    with np.load(Path(__file__).with_name("oracle") / "rlax.npz") as archive:
        return {name: archive[name] for name in archive.files}


@given(q_next=values, q_select=values, q_t=values, reward=rewards, discount=discounts, action=actions)
def test_targets_and_errors_equal_the_papers(
    q_next: Array, q_select: Array, q_t: Array, reward: Array, discount: Array, action: Array
) -> None:
    """Mnih et al. 2015, where q_next selects the action; van Hasselt et al. 2016, where the online network does."""
    for select in (q_next, q_select):
        wanted = np.empty(B)
        for b in range(B):
            best = int(np.argmax(select[b]))
            wanted[b] = reward[b] + discount[b] * q_next[b, best]
        r, d, n, s, q, a = tensors(reward, discount, q_next, select, q_t, action)
        target = q_target(r, d, n, greedy(s))
        error = td_error(q, a, target)
        np.testing.assert_allclose(target.numpy(), wanted, rtol=1e-12)
        np.testing.assert_allclose(error.numpy(), wanted - q_t[np.arange(B), action], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("selector", "theirs"), [("q_next", "td_single"), ("q_select", "td_double")])
def test_targets_and_errors_equal_rlax(rlax: dict[str, Array], selector: str, theirs: str) -> None:
    """Q-learning and double Q-learning over 1,200 transitions, more than 100 of them terminal."""
    r, d, n, s, q, a = tensors(*(rlax[name] for name in ("reward", "discount", "q_next", selector, "q_t", "action")))
    error = td_error(q, a, q_target(r, d, n, greedy(s)))
    assert len(error) == 1_200
    assert np.count_nonzero(rlax["discount"] == 0) > 100
    np.testing.assert_allclose(error.numpy(), rlax[theirs], rtol=1e-5, atol=1e-5)


def test_the_oracle_says_what_made_it(rlax: dict[str, Array]) -> None:
    versions = json.loads(str(rlax["versions"]))
    assert versions.keys() == {"rlax", "jax", "jaxlib", "chex", "numpy"}
    assert np.any(rlax["td_single"] != rlax["td_double"])


def test_no_gradient_reaches_the_target() -> None:
    q_next, q_t = (torch.randn(B, A, requires_grad=True) for _ in range(2))
    target = q_target(torch.zeros(B), torch.ones(B), q_next, q_next)
    td_error(q_t, torch.zeros(B, dtype=torch.int64), target).sum().backward()  # type: ignore[no-untyped-call]
    assert q_next.grad is None
    assert q_t.grad is not None
    assert q_t.grad.abs().sum() == B


@given(error=errors)
def test_huber_and_squared_clip_the_gradient_or_leave_it(error: Array) -> None:
    """Huber's gradient is the error clipped to -1..1, the squared loss's the error itself."""
    for kind, slope in (("huber", np.clip(error, -1, 1)), ("squared", error)):
        leaf = torch.from_numpy(error.copy()).requires_grad_()
        loss = error_loss(leaf, kind)  # type: ignore[arg-type]
        loss.sum().backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        np.testing.assert_allclose(leaf.grad.numpy(), slope, rtol=1e-12)


@pytest.mark.parametrize("kind", ["huber", "squared"])
def test_huber_and_squared_equal_rlax(rlax: dict[str, Array], kind: Any) -> None:
    """2,000 errors, more than 500 on each side of Huber's edge."""
    error = rlax["error"]
    assert len(error) == 2_000
    assert np.count_nonzero(np.abs(error) < 1) > 500
    assert np.count_nonzero(np.abs(error) > 1) > 500
    np.testing.assert_allclose(error_loss(torch.from_numpy(error), kind).numpy(), rlax[kind], rtol=1e-6, atol=1e-7)


@given(reward=arrays(np.float64, (B, 3), elements=st.floats(-20, 20)), bound=st.sampled_from([0.0, 0.5, 1.0]))
def test_rewards_are_clipped_to_the_bound_or_left_raw(reward: Array, bound: float) -> None:
    (r,) = tensors(reward)
    wanted = np.clip(reward, -bound, bound) if bound else reward
    np.testing.assert_array_equal(clip_reward(r, bound).numpy(), wanted)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_c6_n_step_targets_equal_rlax(rlax: dict[str, Array], n: int) -> None:
    """C6: windows, returns and discounts together, over 240 lanes of 8 steps with terminations anywhere."""
    terminals = rlax["lane_terminal"]
    assert terminals.any(0).all()
    assert terminals[0].sum() == 0
    assert terminals[1].all()
    lanes = zip(rlax["lane_reward"], terminals, rlax["lane_value"], rlax[f"returns_{n}"], strict=True)
    for reward, terminal, value, theirs in lanes:
        starts = np.arange(len(reward) - n + 1)
        rows = starts[:, None] + np.arange(n)
        inside, ended = n_step_window(np.zeros_like(rows, np.bool_), terminal[rows])
        steps = inside.sum(1)
        returns = n_step_return(torch.from_numpy(reward[rows] * inside), GAMMA).numpy()
        ours = returns + np.where(ended, 0.0, GAMMA**steps) * value[starts + steps - 1]
        np.testing.assert_allclose(ours, theirs[starts], rtol=1e-4, atol=1e-4)


@given(reward=arrays(np.float64, st.tuples(st.just(B), st.integers(1, 6)), elements=st.floats(-9, 9)))
def test_n_step_returns_are_discounted_sums(reward: Array) -> None:
    wanted = [sum(GAMMA**i * r for i, r in enumerate(row)) for row in reward]
    np.testing.assert_allclose(n_step_return(torch.from_numpy(reward), GAMMA).numpy(), wanted, rtol=1e-9, atol=1e-12)


@given(next_first=arrays(np.bool_, (20, 5)), terminal=arrays(np.bool_, (20, 5)))
def test_c6_windows_stop_at_terminations_and_before_new_episodes(next_first: Array, terminal: Array) -> None:
    """A window ends before the first step of a new episode and after a terminal step."""
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
    """C14: (1/N 1/P)^beta over the batch's maximum, for any size and mass of replay (Schaul et al. 2016)."""
    probability = priority / (7.0 * priority.sum())  # of a buffer seven times as heavy as the batch
    full = (1.0 / (1000 * probability)) ** beta
    ours = importance_weights(torch.from_numpy(priority), beta).numpy()
    np.testing.assert_allclose(ours, full / full.max(), rtol=1e-9)
    assert ours.max() == pytest.approx(1.0)
