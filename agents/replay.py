"""One replay shard: every frame stored once, stacks and n-step windows rebuilt at sampling.

Each env of each runner is a **lane**: a ring of rows as they happened. Row t holds frame_t, the action taken at it, the
reward that followed, whether that ended all value (`terminal`), and whether frame_t begins an episode (`first`):

* a stack reaches back to the row that is `first`, and repeats that frame before it;
* an n-step window ends with a `terminal` row (discount 0), or at the last row before a `first` one: it holds the true
  last frame of a truncated episode, or of a runner that died, and its value is bootstrapped from;
* a row followed by a `first` one has no transition and is never sampled;
* rows behind a gap, which a lost chunk leaves, begin anew as an episode's do.

Legend: T time, E lanes of a runner, B batch, P blocks, K stack, D values a block, n steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.frames import blocks_shape
from agents.sumtree import SumTree
from agents.transitions import Batch, Chunk, Index, ReplayEmpty, ReplaySettings
from agents.windows import n_step_window, stack_ages

COLUMNS = ("action", "reward", "terminal", "first", "version")
LANE_BITS = 40  # a key is lane << 40 | row number since the lane began: overwritten rows are told from new ones


class ReplayShard:
    """A ring of rows per lane in this process's memory, or its frames on `device`."""

    def __init__(
        self,
        settings: ReplaySettings,
        *,
        lanes: int,
        frame_shape: tuple[int, ...],
        frame_dtype: np.dtype[Any],
        stack: int,
        gamma: float,
        seed: int,
        device: str = "cpu",
    ) -> None:
        self.settings, self.lanes, self.stack, self.gamma, self.device = settings, lanes, stack, gamma, device
        self.rows = settings.capacity // lanes
        if self.rows < 4 * (stack + settings.n_step):
            raise ValueError(f"replay.capacity {settings.capacity} is too small for {lanes} lanes: raise it")
        slots = lanes * self.rows
        zeros = np.zeros((slots, *blocks_shape(frame_shape)), frame_dtype)  # untouched pages cost no memory
        self.frames = torch.from_numpy(zeros).to(device)
        # A block of 16 pixels moves as one 16-byte number: several times faster than 16 single bytes.
        self._cells = self.frames.view(torch.complex128) if frame_dtype == np.uint8 else self.frames
        self.action, self.reward = np.zeros(slots, np.uint8), np.zeros(slots, np.float32)
        self.terminal, self.first = np.zeros(slots, np.bool_), np.zeros(slots, np.bool_)
        self.version = np.zeros(slots, np.int32)
        self.written = np.zeros(lanes, np.int64)  # rows each lane has ever had
        self.next_row = np.zeros(lanes, np.int64)  # `Chunk.row` that goes on where each lane ends
        self.tree = SumTree(slots) if settings.prioritized else None
        self.max_priority, self.stale_priority_updates = 1.0, 0
        self.rng = np.random.default_rng(seed)

    def add(self, chunk: Chunk) -> None:
        """Append a chunk to its lanes, overwriting their oldest rows.

        Raises:
            ValueError: the chunk is longer than half a lane, or names lanes that this shard does not have.
        """
        time, envs = chunk.action.shape
        lanes = np.arange(chunk.lane, chunk.lane + envs)
        if time > self.rows // 2 or not 0 <= chunk.lane <= self.lanes - envs:
            raise ValueError(f"{time} rows from lane {chunk.lane} on do not fit {self.lanes} x {self.rows}: add fewer")
        before = self._eligible()
        slot = self._slot(lanes[None], self.written[lanes] + np.arange(time)[:, None])
        frames = torch.from_numpy(np.require(chunk.frames, requirements=["C", "W"]))  # Ray's cannot be written to
        self._cells[torch.from_numpy(slot).to(self.device)] = frames.to(self.device).view(self._cells.dtype)
        self.action[slot], self.reward[slot] = chunk.action, chunk.reward
        self.terminal[slot], self.first[slot], self.version[slot] = chunk.terminal, chunk.first, chunk.version
        # Nothing spans the gap that a lost chunk left.
        self.first[slot[0]] |= (self.next_row[lanes] != chunk.row) & (self.written[lanes] > 0)
        self.written[lanes] += time
        self.next_row[lanes] = chunk.row + time
        if self.tree is not None:
            self._move_window(lanes, before)

    def _slot(self, lane: Index, row: Index) -> Index:
        return lane * self.rows + row % self.rows

    def _eligible(self) -> tuple[Index, Index]:
        """Rows [low, high) of each lane whose stack is still there and whose n following rows already are."""
        # A shard that restarted empty begins in the middle of an episode: frames of its first stacks are lost.
        begun = np.where(self.first[:: self.rows] | (self.written == 0), 0, self.stack - 1)
        low = np.maximum(self.written - self.rows + self.stack - 1, begun)
        return low, np.maximum(self.written - self.settings.n_step, low)

    def _move_window(self, lanes: Index, before: tuple[Index, Index]) -> None:
        """Rows that became eligible enter the sum tree with the highest priority seen; rows that left weigh 0."""
        assert self.tree is not None
        low, high = self._eligible()
        for lane in lanes:
            gone = np.arange(before[0][lane], min(low[lane], before[1][lane]))
            new = np.arange(max(before[1][lane], low[lane]), high[lane])
            self.tree.set(self._slot(lane, gone), 0.0)
            broken = self.first[self._slot(lane, new + 1)]
            self.tree.set(self._slot(lane, new), np.where(broken, 0.0, self.max_priority))

    def __len__(self) -> int:
        """Rows that can be drawn (those followed by a new episode's first frame still counted)."""
        low, high = self._eligible()
        return int((high - low).sum())

    @property
    def mass(self) -> float:
        """Total priority: what this shard weighs among others."""
        return self.tree.total if self.tree is not None else float(len(self))

    def sample(self, batch_size: int) -> Batch:
        """Draw with replacement, in proportion to priority.

        Raises:
            ReplayEmpty: nothing can be drawn yet.
        """
        if self.mass <= 0:
            raise ReplayEmpty("replay is empty: add rows before sampling")
        lane, row, priority = (self._draw_uniform if self.tree is None else self._draw_prioritized)(batch_size)
        slot, steps, reward, discount = self._windows(lane, row)
        obs = self._stacks(np.tile(lane, 2), np.concatenate([row, row + steps]))
        return Batch(
            obs=obs[:batch_size],
            action=torch.from_numpy(self.action[slot].astype(np.int64)).to(self.device),
            reward=torch.from_numpy(reward).to(self.device),
            discount=torch.from_numpy(discount).to(self.device),
            next_obs=obs[batch_size:],
            priority=torch.from_numpy(priority.astype(np.float32)).to(self.device),
            key=lane << LANE_BITS | row,
            version=self.version[slot],
            prioritized=self.tree is not None,
        )

    def _draw_uniform(self, batch_size: int) -> tuple[Index, Index, NDArray[np.float64]]:
        low, high = self._eligible()
        edges: Index = np.cumsum(high - low)
        lane = row = np.empty(0, np.int64)
        for _ in range(1000):  # a bound for the replay in which no row has a transition: few rows, all of them first
            ticket: Index = self.rng.integers(edges[-1], size=batch_size - len(row))
            drawn_lane = np.searchsorted(edges, ticket, side="right")
            drawn_row: Index = high[drawn_lane] - (edges[drawn_lane] - ticket)
            whole = ~self.first[self._slot(drawn_lane, drawn_row + 1)]
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

    def _windows(self, lane: Index, row: Index) -> tuple[Index, Index, NDArray[np.float32], NDArray[np.float32]]:
        """Slots [B], window lengths k [B], rewards [B, n] and discounts [B] of transitions that begin at the rows."""
        n = self.settings.n_step
        slots = self._slot(lane[:, None], row[:, None] + np.arange(n + 1))
        inside, ended = n_step_window(self.first[slots[:, 1:]], self.terminal[slots[:, :n]])
        steps = inside.sum(1)
        discount = np.where(ended, 0.0, self.gamma**steps).astype(np.float32)
        return slots[:, 0], steps, self.reward[slots[:, :n]] * inside, discount

    def _stacks(self, lane: Index, row: Index) -> Tensor:
        """Observations [B, P, K, D] whose newest frame is the row's."""
        ages = stack_ages(self.first[self._slot(lane[:, None], row[:, None] - np.arange(self.stack))])
        slots = self._slot(lane[:, None], row[:, None] - ages)[:, ::-1]
        cells = self._cells[torch.from_numpy(slots.copy()).to(self.device)].transpose(1, 2).contiguous()
        return cells.view(torch.float64).view(self.frames.dtype) if cells.is_complex() else cells

    def update_priorities(self, key: Index, priority: NDArray[np.float32]) -> None:
        """Set |TD error| [B] of rows by key; rows overwritten since, or lost in a restart, are skipped and counted."""
        assert self.tree is not None
        lane, row = key >> LANE_BITS, key & ((1 << LANE_BITS) - 1)
        low, high = self._eligible()
        alive = (row >= low[lane]) & (row < high[lane]) & ~self.first[self._slot(lane, row + 1)]
        self.stale_priority_updates += int((~alive).sum())
        weight = (np.abs(priority[alive].astype(np.float64)) + 1e-6) ** self.settings.alpha
        self.max_priority = max(self.max_priority, float(weight.max(initial=0.0)))
        self.tree.set(self._slot(lane[alive], row[alive]), weight)

    def state(self) -> dict[str, Any]:
        """All that `load_state` needs to go on bit for bit, as plain values and arrays (views, not copies)."""
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
        """Take over a state of a shard of the same shape.

        Raises:
            ValueError: the state is that of a shard with other lanes, capacity or frames.
        """
        same = state["frames"].shape == tuple(self.frames.shape) and state["written"].shape == self.written.shape
        if not same or (state["tree"] is None) != (self.tree is None):
            raise ValueError("the saved replay has another shape: resume with the settings the run was started with")
        self.frames.copy_(torch.from_numpy(state["frames"]))
        for name, column in state["rows"].items():
            getattr(self, name)[:] = column
        self.written[:], self.next_row[:] = state["written"], state["next_row"]
        if self.tree is not None:
            self.tree.nodes[:] = state["tree"]
        self.max_priority, self.stale_priority_updates = state["max_priority"], state["stale_priority_updates"]
        self.rng.bit_generator.state = state["rng"]
