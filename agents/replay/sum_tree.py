"""A sum tree over priorities, vectorised: one numpy operation per level instead of one Python loop per leaf."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIRST = np.ones(1, np.bool_)


def weight_of(error: NDArray[np.float32], alpha: float) -> NDArray[np.float64]:
    """(|error| + epsilon)^alpha of TD errors [N]: what transitions weigh (Schaul et al. 2016, section 3.3)."""
    weight: NDArray[np.float64] = (np.abs(error.astype(np.float64)) + 1e-6) ** alpha
    return weight


class SumTree:
    """Weights of `size` leaves with sums by halves (Schaul et al. 2016, appendix B.2.1). Node 1 is the root.

    Set and find cost O(log size) numpy calls for any number of leaves at once.
    """

    def __init__(self, size: int) -> None:
        self.leaves = 1 << max(size - 1, 1).bit_length()
        self.nodes: NDArray[np.float64] = np.zeros(2 * self.leaves)
        self._children = self.nodes.view(np.complex128)  # of node i both as one number: they are fetched together

    @property
    def total(self) -> float:
        """The sum of all weights."""
        return float(self.nodes[1])

    def get(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Weights [N] of leaves [N]."""
        return self.nodes[self.leaves + index]

    def set(self, index: NDArray[np.int64], weight: NDArray[np.float64] | float) -> None:
        """Give leaves [N] new weights; of a leaf named twice the last one counts."""
        self.nodes[self.leaves + index] = weight
        node = np.sort(self.leaves + index)
        while node.size and node[0] > 1:
            node = node >> 1  # still sorted: nodes that are named twice stand side by side
            node = node[np.concatenate([FIRST, node[1:] != node[:-1]])]
            children = self._children[node]
            self.nodes[node] = children.real + children.imag  # from both, so that no rounding error piles up

    def find(self, prefix: NDArray[np.float64]) -> NDArray[np.int64]:
        """Leaves [N] in which the running sum passes prefix [N], each in [0, total)."""
        node = np.ones(len(prefix), np.int64)
        rest = prefix.copy()
        while node[0] < self.leaves:
            left = self.nodes[2 * node]
            # A right child without weight is never entered, whatever rounding says.
            right = (rest >= left) & (self.nodes[2 * node + 1] > 0)
            rest -= np.where(right, left, 0.0)
            node = 2 * node + right
        return node - self.leaves
