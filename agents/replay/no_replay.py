"""No replay: the loop that learns from what has just happened, as it did before there was experience replay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.replay.shard import ReplayShard
from agents.replay.transitions import Index, ReplayEmpty


class NoReplay(ReplayShard):
    """Gives the newest transitions, in the order in which they happened, instead of random ones.

    Everything else (rows, stacks, windows, chunks) is a replay's, so that the two differ in nothing but the draw.
    """

    def _draw_uniform(self, batch_size: int) -> tuple[Index, Index, NDArray[np.float64]]:
        """Lanes, rows and weights [B]: as many of every lane as of any other."""
        low, high = self._eligible()
        # One row in an episode has no transition, and no episode is shorter than two rows: twice as many are enough.
        place = np.arange(2 * batch_size + self.lanes)
        lane = place % self.lanes
        row: Index = high[lane] - 1 - place // self.lanes
        there = (row >= low[lane]) & ~self.first[self._slot(lane, row + 1)]
        lane, row = lane[there][:batch_size][::-1], row[there][:batch_size][::-1]
        if len(row) < batch_size:
            raise ReplayEmpty(f"{batch_size} transitions have not happened yet: add rows before sampling")
        return lane, row, np.ones(batch_size)
