"""One replay shard: rows in lanes (`agents.replay.lanes`), sampled uniformly or by priority.

Legend: T time, E lanes of a runner, B batch, P blocks, K stack, D values a block, n steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.replay.keys import key_of, place_of
from agents.replay.lanes import Lanes
from agents.replay.sum_tree import SumTree, weight_of
from agents.replay.transitions import Batch, Chunk, Index, ReplayEmpty, ReplaySettings
from agents.replay.windows import ranges
from envs.base import EnvSpec

COLUMNS = ("action", "reward", "terminal", "first", "version")


class ReplayShard(Lanes):
    """A ring buffer of rows per lane in this process's memory; frames are on `device`."""

    def __init__(
        self,
        settings: ReplaySettings,
        *,
        lanes: int,
        spec: EnvSpec,
        stack: int,
        gamma: float,
        seed: int,
        device: str = "cpu",
        key_offset: int = 0,  # see `agents.replay.keys`
    ) -> None:
        rows = settings.capacity // lanes
        if rows < 4 * (stack + settings.n_step):
            raise ValueError(f"replay.capacity {settings.capacity} is too small for {lanes} lanes: raise it")
        super().__init__(
            lanes,
            rows,
            spec=spec,
            stack=stack,
            n_step=settings.n_step,
            gamma=gamma,
            device=device,
        )
        self.settings, self.key_offset = settings, key_offset
        self.tree = SumTree(lanes * rows) if settings.prioritized else None
        self.max_priority, self.stale_priority_updates = 1.0, 0
        self.rng = np.random.default_rng(seed)

    def add(self, chunk: Chunk) -> None:
        """Append a chunk to its lanes, overwriting their oldest rows. Duplicates are ignored.

        Raises:
            ValueError: the chunk is longer than half a lane, has lanes outside this shard, or rows of another shape or
                dtype; nothing has changed.
        """
        self.check(chunk)
        if self.has(chunk):
            return
        before = self._eligible()
        self.write(chunk)
        if self.tree is not None:
            self._move_window(chunk, before)

    def _move_window(self, chunk: Chunk, before: tuple[Index, Index]) -> None:
        """Add newly eligible rows to the sum tree, and set the priority of overwritten ones to 0."""
        assert self.tree is not None
        lanes, (low, high) = np.arange(chunk.lane, chunk.lane + chunk.action.shape[1]), self._eligible()
        gone = self._slot(*ranges(lanes, before[0][lanes], np.minimum(low, before[1])[lanes]))
        lane, row = ranges(lanes, np.maximum(before[1], low)[lanes], high[lanes])
        weight = self._initial_weights(chunk, lane, row)
        weight[~self._has_transition(lane, row)] = 0.0
        self.max_priority = max(self.max_priority, float(weight.max(initial=0.0)))
        # One call for all lanes; if a new row reuses the slot of an old one, the later entry wins.
        self.tree.set(np.concatenate([gone, self._slot(lane, row)]), np.concatenate([np.zeros(len(gone)), weight]))

    def _has_transition(self, lane: Index, row: Index) -> NDArray[np.bool_]:
        """Return which rows begin a transition: the last row of an episode does not."""
        return ~self.first[self._slot(lane, row + 1)]

    def _initial_weights(self, chunk: Chunk, lane: Index, row: Index) -> NDArray[np.float64]:
        """Return the weights of rows [N] that a chunk made eligible: from its priorities, else the highest seen.

        A chunk's priorities do not apply to rows before a gap, which were followed by other rows when played.
        """
        weight = np.full(len(row), self.max_priority)
        if chunk.priority is not None:
            time = len(chunk.action)
            error = chunk.priority[row + self.n_step + time - self.written[lane], lane - chunk.lane]
            known = (row >= self.unbroken[lane]) & np.isfinite(error)
            weight[known] = weight_of(error[known], self.settings.alpha)
        return weight

    def __len__(self) -> int:
        """Return the number of eligible rows, including last rows of episodes, which are never sampled."""
        low, high = self._eligible()
        return int((high - low).sum())

    @property
    def mass(self) -> float:
        """Total priority, by which shards are sampled."""
        return self.tree.total if self.tree is not None else float(len(self))

    def sample(self, batch_size: int) -> Batch:
        """Sample with replacement in proportion to priority; observations are on the device, all else on the CPU.

        Raises:
            ReplayEmpty: there is no transition yet.
            ValueError: `batch_size` is below 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: draw 1 transition or more")
        if self.mass <= 0:
            raise ReplayEmpty("replay is empty: add rows before sampling")
        lane, row, priority = (self._draw_uniform if self.tree is None else self._draw_prioritized)(batch_size)
        slot, steps, reward, discount = self._windows(lane, row)
        obs = self._stacks(np.tile(lane, 2), np.concatenate([row, row + steps]))
        return Batch(
            obs=obs[:batch_size],
            action=torch.from_numpy(self.action[slot].astype(np.int64 if self.action.ndim == 1 else np.float32)),
            reward=torch.from_numpy(reward),
            discount=torch.from_numpy(discount),
            next_obs=obs[batch_size:],
            priority=torch.from_numpy(priority.astype(np.float32)),
            key=key_of(lane, row, self.key_offset),
            version=self.version[slot],
            prioritized=self.tree is not None,
        )

    def _draw_uniform(self, batch_size: int) -> tuple[Index, Index, NDArray[np.float64]]:
        low, high = self._eligible()
        edges: Index = np.cumsum(high - low)
        lane = row = np.empty(0, np.int64)
        for _ in range(1000):  # rejection sampling, bounded in case no row begins a transition
            ticket: Index = self.rng.integers(edges[-1], size=batch_size - len(row))
            drawn_lane = np.searchsorted(edges, ticket, side="right")
            drawn_row: Index = high[drawn_lane] - (edges[drawn_lane] - ticket)
            whole = self._has_transition(drawn_lane, drawn_row)
            lane, row = np.concatenate([lane, drawn_lane[whole]]), np.concatenate([row, drawn_row[whole]])
            if len(row) == batch_size:
                return lane, row, np.ones(batch_size)
        raise ReplayEmpty("replay has no whole transition yet: add rows before sampling")

    def _draw_prioritized(self, batch_size: int) -> tuple[Index, Index, NDArray[np.float64]]:
        assert self.tree is not None
        slot: Index = self.tree.find(self.rng.random(batch_size) * self.tree.total)
        lane, place = slot // self.rows, slot % self.rows
        newest = self.written[lane] - 1
        return lane, newest - (newest - place) % self.rows, self.tree.get(slot)

    def update_priorities(self, key: Index, priority: NDArray[np.float32]) -> None:
        """Set |TD error| [B] of rows by key; rows overwritten or lost since are skipped and counted.

        Raises:
            FloatingPointError: an error is not finite; nothing has changed.
        """
        assert self.tree is not None
        if not np.isfinite(priority).all():
            raise FloatingPointError("a TD error is no finite number: training has diverged")
        lane, row = place_of(key, self.key_offset)
        low, high = self._eligible()
        alive = (row >= low[lane]) & (row < high[lane]) & self._has_transition(lane, row)
        self.stale_priority_updates += int((~alive).sum())
        weight = weight_of(priority[alive], self.settings.alpha)
        self.max_priority = max(self.max_priority, float(weight.max(initial=0.0)))
        self.tree.set(self._slot(lane[alive], row[alive]), weight)

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit, as values and arrays (views, not copies)."""
        return {
            "rows": {name: getattr(self, name) for name in COLUMNS},
            "frames": self.frames.cpu().numpy(),
            "written": self.written,
            "next_row": self.next_row,
            "tree": self.tree.nodes if self.tree is not None else None,
            "max_priority": self.max_priority,
            "stale_priority_updates": self.stale_priority_updates,
            "rng": self.rng.bit_generator.state,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the shard from `state`.

        Raises:
            ValueError: lanes, capacity, frames or prioritization of the saved shard differ.
        """
        same = state["frames"].shape == tuple(self.frames.shape) and state["written"].shape == self.written.shape
        if not same or (state["tree"] is None) != (self.tree is None):
            raise ValueError("the saved replay has another shape: resume with the settings the run was started with")
        self.frames.copy_(torch.from_numpy(state["frames"]))
        for name, column in state["rows"].items():
            getattr(self, name)[:] = column
        self.written[:], self.next_row[:], self.life[:], self.unbroken[:] = state["written"], state["next_row"], 0, 0
        if self.tree is not None:
            self.tree.nodes[:] = state["tree"]
        self.max_priority, self.stale_priority_updates = state["max_priority"], state["stale_priority_updates"]
        self.rng.bit_generator.state = state["rng"]
