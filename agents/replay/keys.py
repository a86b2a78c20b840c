"""Keys: int64 ids of replay rows, by which priorities are updated.

From the most significant bits: shard, lane within the shard, row number within the lane. A shard adds a random offset
to row numbers, chosen anew at a restart, so that keys from before a restart match no row. Offsets are drawn from 10^12
numbers, of which a lane's rows take at most a millionth.
"""

from __future__ import annotations

import numpy as np

from agents.replay.transitions import Index

LANE_BITS = 40  # lowest bit of the lane; 10^12 rows fit below
SHARD_BITS = 56  # lowest bit of the shard
MAX_LANES = 1 << (SHARD_BITS - LANE_BITS)  # of one shard
MAX_SHARDS = 1 << (63 - SHARD_BITS)
MAX_OFFSET = 1 << LANE_BITS
_ROWS = np.int64(MAX_OFFSET - 1)


def key_of(lane: Index, row: Index, offset: int) -> Index:
    """Return keys [B] of rows [B] of lanes [B], within one shard."""
    return lane << LANE_BITS | (row + offset & _ROWS)


def place_of(key: Index, offset: int) -> tuple[Index, Index]:
    """Return lanes [B] and rows [B] of keys [B]; a key with another offset gives a row that is out of range."""
    return key >> LANE_BITS, (key & _ROWS) - offset & _ROWS
