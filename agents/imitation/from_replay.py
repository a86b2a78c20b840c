"""Episodes from the contents of a replay shard. Legend: R rows of a lane, T actions of an episode."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.imitation.dataset import DatasetEpisode
from agents.replay.frames import from_blocks
from training.storage import checkpoint


def shards_of(path: Path) -> list[Path]:
    """Return the paths of the replay shards in a checkpoint, in order of their number.

    Raises:
        ValueError: it has none.
    """
    found = sorted(path.glob("replay-*"), key=lambda shard: int(shard.name.rpartition("-")[2]))
    if not found:
        raise ValueError(f"{path} holds no replay: record its policy's play instead, without --replay")
    return found


def episodes_of(shard: Path, frame_shape: tuple[int, ...]) -> Iterator[DatasetEpisode]:
    """Yield the episodes of a shard whose first frame is still stored, lane by lane, oldest first.

    An episode whose beginning was overwritten is skipped, because its first stacks cannot be rebuilt. An episode cut
    off by a checkpoint, a lost chunk or the end of the data ends with its last stored frame and is truncated, or
    terminated if that action lost a life: replay stores one flag for both.
    """
    state = checkpoint.load(shard)
    if not state:  # this shard was down when the checkpoint was written
        return
    rows = len(state["frames"]) // len(state["written"])
    for lane, written in enumerate(state["written"]):
        slots = lane * rows + np.arange(max(written - rows, 0), written) % rows  # oldest first
        begins = np.flatnonzero(state["rows"]["first"][slots])
        for begin, end in pairwise([*begins, len(slots)]):
            if end - begin > 1:
                yield _episode(state, slots[begin:end], frame_shape)


def _episode(state: dict[str, Any], slots: NDArray[np.int64], frame_shape: tuple[int, ...]) -> DatasetEpisode:
    """Return T + 1 rows as an episode of T actions: the frame after the last row's action is not stored."""
    done = slots[:-1]
    columns = {name: column[done] for name, column in state["rows"].items()}
    last = np.arange(len(done)) == len(done) - 1
    terminal = columns["terminal"]
    return DatasetEpisode(
        frame=from_blocks(state["frames"][slots], frame_shape),
        action=columns["action"].astype(np.int64),
        reward=columns["reward"],
        terminated=terminal & last,
        truncated=~terminal & last,
        life_lost=terminal & ~last,
    )
