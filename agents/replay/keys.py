"""Keys: int64 numbers that name rows of replay while a batch is away, so that its priorities find them again.

From the top: the shard, the lane in that shard, the row's number since the lane began. A shard adds an offset of its
own to row numbers: one that restarts empty takes another, so that keys of its former life name none of its rows.
Offsets are drawn from 10^12 numbers, of which a lane's rows take a millionth at most.
"""

from __future__ import annotations

import numpy as np

from agents.replay.transitions import Index

LANE_BITS = 40  # a lane's number begins here: room for 10^12 rows below it
SHARD_BITS = 56  # a shard's number begins here
MAX_LANES = 1 << (SHARD_BITS - LANE_BITS)  # of one shard
MAX_SHARDS = 1 << (63 - SHARD_BITS)
MAX_OFFSET = 1 << LANE_BITS
_ROWS = np.int64(MAX_OFFSET - 1)


def key_of(lane: Index, row: Index, offset: int) -> Index:
    """Keys [B] of rows [B] of lanes [B], within one shard."""
    return lane << LANE_BITS | (row + offset & _ROWS)


def place_of(key: Index, offset: int) -> tuple[Index, Index]:
    """Lanes [B] and rows [B] that keys [B] of one shard name; a key of another offset names a row far out of reach."""
    return key >> LANE_BITS, (key & _ROWS) - offset & _ROWS
