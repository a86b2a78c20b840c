"""C12: the sum tree against a plain array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.replay.sum_tree import SumTree

sizes = st.integers(1, 70)
weights = st.floats(0, 1e6, allow_subnormal=False)


@given(data=st.data(), size=sizes)
def test_c12_random_operations_equal_a_naive_array(data: st.DataObject, size: int) -> None:
    """C12: after any sets, leaves equal the array, the root equals its sum, and find agrees with its running sum."""
    tree, naive = SumTree(size), np.zeros(size)
    leaf = st.integers(0, size - 1)
    for _ in range(data.draw(st.integers(1, 8))):
        index = np.array(data.draw(st.lists(leaf, max_size=12)), np.int64)
        weight = np.array(data.draw(st.lists(weights, min_size=len(index), max_size=len(index))))
        tree.set(index, weight)
        for i, w in zip(index, weight, strict=True):
            naive[i] = w  # the last weight of a repeated leaf counts
    np.testing.assert_array_equal(tree.get(np.arange(size)), naive)
    assert tree.total == pytest.approx(naive.sum(), rel=1e-12)
    if tree.total > 0:
        prefix = np.array(data.draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))) * tree.total
        for p, found in zip(prefix, tree.find(prefix), strict=True):
            before, behind = naive[:found].sum(), naive[: found + 1].sum()
            slack = 1e-9 * tree.total
            assert naive[found] > 0, "a leaf without weight was found"
            assert before - slack <= p <= behind + slack


def test_c12_the_root_stays_exact_over_a_million_operations() -> None:
    """C12: every node stays the exact sum of its children, so no rounding error accumulates."""
    rng, size = np.random.default_rng(0), 1000
    tree, naive = SumTree(size), np.zeros(size)
    for _ in range(1000):
        index, weight = rng.permutation(size), 10.0 ** rng.uniform(-8, 8, size)
        tree.set(index, weight)
        naive[index] = weight
    assert tree.total == pytest.approx(float(naive.sum()), rel=1e-13)
    for inner in range(1, tree.leaves):
        assert tree.nodes[inner] == tree.nodes[2 * inner] + tree.nodes[2 * inner + 1]


def test_c12_rounding_never_leads_to_a_leaf_without_weight() -> None:
    """C12: a prefix whose remainder rounds up to the whole of leaf 2 finds leaf 2, not leaf 3 of weight 0."""
    unit = np.finfo(np.float64).eps
    tree = SumTree(4)
    tree.set(np.arange(4), np.array([1.5 * unit, 0.0, 1 + 2 * unit, 0.0]))
    prefix = np.nextafter(np.full(1, tree.total), 0)
    assert prefix[0] - 1.5 * unit == tree.get(np.array([2]))[0], "nothing was rounded"
    assert tree.find(prefix).tolist() == [2]


def chi_square(counts: NDArray[np.int64], expected: NDArray[np.float64]) -> float:
    """Return Pearson's statistic over the cells with an expectation."""
    some = expected > 0
    assert counts[~some].sum() == 0, "a leaf without weight was found"
    return float(((counts - expected)[some] ** 2 / expected[some]).sum())


def test_c12_leaves_are_found_in_proportion_to_their_weight() -> None:
    """C12: chi-square with 59 degrees of freedom stays below its 99.9 % quantile, 98.3."""
    rng = np.random.default_rng(3)
    weight = np.where(np.arange(61) == 17, 0.0, rng.uniform(0.1, 5.0, 61))
    tree = SumTree(61)
    tree.set(np.arange(61), weight)
    found = tree.find(rng.random(200_000) * tree.total)
    counts = np.bincount(found, minlength=61)
    assert chi_square(counts, 200_000 * weight / weight.sum()) < 98.3
    assert chi_square(counts, 200_000 * (weight > 0) / 60) > 98.3, "the test would not see a uniform draw"
