"""The control without replay: learning from the newest transitions, as before experience replay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.replay.shard import ReplayShard
from agents.replay.transitions import Index, ReplayEmpty


class NoReplay(ReplayShard):
    """Returns the newest transitions in temporal order instead of random ones.

    All else (rows, stacks, windows, chunks) is inherited, so that the two differ in sampling only.
    """

    def _draw_uniform(self, batch_size: int) -> tuple[Index, Index, NDArray[np.float64]]:
        """Return lanes, rows and weights [B], from the lanes in turn."""
        low, high = self._eligible()
        # The last row of an episode has no transition, and episodes have two rows or more: 2 B candidates suffice.
        place = np.arange(2 * batch_size + self.lanes)
        lane = place % self.lanes
        row: Index = high[lane] - 1 - place // self.lanes
        there = (row >= low[lane]) & ~self.first[self._slot(lane, row + 1)]
        lane, row = lane[there][:batch_size][::-1], row[there][:batch_size][::-1]
        if len(row) < batch_size:
            raise ReplayEmpty(f"{batch_size} transitions have not happened yet: add rows before sampling")
        return lane, row, np.ones(batch_size)
