"""Rescaled values, targets and priorities of sequences against slow code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.recurrent.targets import EPSILON, mixed_priority, rescale, restore, sequence_targets

GAMMA, N, U, A = 0.9, 3, 7, 4


def slow_rescale(x: float) -> float:
    """Return h(x) as the paper defines it."""
    return math.copysign(math.sqrt(abs(x) + 1.0) - 1.0, x) + EPSILON * x


def slow_restore(y: float) -> float:
    """Return the x whose h is y, by bisection."""
    low, high = -1e6, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if slow_rescale(middle) < y else (low, middle)
    return (low + high) / 2


@given(st.floats(-1e4, 1e4))
def test_rescaling_has_an_inverse(x: float) -> None:
    """In float32, rescale and restore equal slow code and are each other's inverse."""
    value = torch.tensor(x)
    assert float(rescale(value)) == pytest.approx(slow_rescale(x), rel=1e-5, abs=1e-6)
    assert float(restore(rescale(value))) == pytest.approx(x, rel=1e-4, abs=1e-5)
    assert float(restore(torch.tensor(slow_rescale(x)))) == pytest.approx(x, rel=1e-4, abs=1e-5)
    assert float(restore(torch.tensor(x / 100))) == pytest.approx(slow_restore(x / 100), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("rescaled", [True, False])
def test_targets_are_those_of_slow_code(rescaled: bool) -> None:
    """Targets equal slow code where episodes terminate or are truncated inside, which ends the windows of rows."""
    rng = np.random.default_rng(3)
    rows = U + N
    rewards, terminal = rng.normal(0, 3, rows), np.zeros(rows, np.bool_)
    first = np.zeros(rows + 1, np.bool_)
    terminal[2], first[4], first[7] = True, True, True  # terminated by row 2, last frame in row 3; truncated at row 6
    q_select, q_next = rng.normal(0, 2, (2, 1, rows, A)).astype(np.float32)

    reward, discount = np.zeros((1, U, N), np.float32), np.zeros((1, U), np.float32)
    steps, wanted = np.zeros((1, U), np.int64), np.zeros(U)
    for t in range(U):
        total, k, ended = 0.0, 0, False
        while k < N and not ended and not first[t + k + 1]:
            reward[0, t, k] = rewards[t + k]
            total += GAMMA**k * rewards[t + k]
            ended = bool(terminal[t + k])
            k += 1
        steps[0, t], discount[0, t] = k, 0.0 if ended else GAMMA**k
        best = int(q_select[0, t + k].argmax())
        worth = slow_restore(float(q_next[0, t + k, best])) if rescaled else float(q_next[0, t + k, best])
        total += 0.0 if ended else GAMMA**k * worth
        wanted[t] = slow_rescale(total) if rescaled else total
    given_ = (torch.from_numpy(array) for array in (reward, discount, steps, q_select, q_next))
    found = sequence_targets(*given_, GAMMA, rescaled=rescaled)
    assert steps.tolist() == [[3, 2, 1, 0, 2, 1, 0]]
    np.testing.assert_allclose(found[0].numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_priorities_mix_the_largest_and_the_mean_error() -> None:
    """A priority is 0.9 max + 0.1 mean over valid rows; a sequence without valid rows has 0."""
    error = torch.tensor([[1.0, -3.0, 100.0], [2.0, 2.0, 2.0], [5.0, 5.0, 5.0]])
    valid = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])
    found = mixed_priority(error, valid, 0.9)
    torch.testing.assert_close(found, torch.tensor([0.9 * 3 + 0.1 * 2, 2.0, 0.0]))
