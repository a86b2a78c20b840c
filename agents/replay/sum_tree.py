"""A sum tree over priorities, vectorised over leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIRST = np.ones(1, np.bool_)


def weight_of(error: NDArray[np.float32], alpha: float) -> NDArray[np.float64]:
    """Return the priorities (|error| + epsilon)^alpha of TD errors [N] (Schaul et al. 2016, section 3.3)."""
    weight: NDArray[np.float64] = (np.abs(error.astype(np.float64)) + 1e-6) ** alpha
    return weight


class SumTree:
    """Binary tree of sums over `size` leaves (Schaul et al. 2016, appendix B.2.1). Node 1 is the root.

    `set` and `find` take O(log size) numpy calls for any number of leaves.
    """

    def __init__(self, size: int) -> None:
        self.leaves = 1 << max(size - 1, 1).bit_length()
        self.nodes: NDArray[np.float64] = np.zeros(2 * self.leaves)
        self._children = self.nodes.view(np.complex128)  # both children in one gather

    @property
    def total(self) -> float:
        """Sum of all weights."""
        return float(self.nodes[1])

    def get(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weights [N] of leaves [N]."""
        return self.nodes[self.leaves + index]

    def set(self, index: NDArray[np.int64], weight: NDArray[np.float64] | float) -> None:
        """Set the weights of leaves [N]; for duplicates the last entry wins."""
        self.nodes[self.leaves + index] = weight
        node = np.sort(self.leaves + index)
        while node.size and node[0] > 1:
            node = node >> 1  # still sorted, so duplicates are adjacent
            node = node[np.concatenate([FIRST, node[1:] != node[:-1]])]
            children = self._children[node]
            self.nodes[node] = children.real + children.imag  # recomputed, so that rounding errors do not accumulate

    def find(self, prefix: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the leaves [N] in which the cumulative sum exceeds prefix [N], each in [0, total)."""
        node = np.ones(len(prefix), np.int64)
        rest = prefix.copy()
        while node[0] < self.leaves:
            left = self.nodes[2 * node]
            # Never enter a right child of weight 0, even with rounding errors.
            right = (rest >= left) & (self.nodes[2 * node + 1] > 0)
            rest -= np.where(right, left, 0.0)
            node = 2 * node + right
        return node - self.leaves
