"""Storage of replay: every frame once; stacks and n-step windows are rebuilt from them.

Each env of each runner has a **lane**, a ring buffer of rows in temporal order. Row t holds frame_t, the action taken,
the reward that followed, `terminal` (do not bootstrap), and `first` (frame_t begins an episode):

* a stack reaches back to the `first` row, whose frame is repeated as padding;
* an n-step window ends with a `terminal` row (discount 0), or bootstraps from the last row before a `first` one, which
  holds the last frame of a truncated episode or of a dead runner;
* a row followed by a `first` one has no transition and is never sampled;
* rows after a lost chunk are treated as the beginning of an episode.

Legend: T time, E lanes of a runner, B batch, P blocks, K stack, D values a block, n steps.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.replay.frames import blocks_shape
from agents.replay.transitions import Chunk, Index, check_chunk, stored_action
from agents.replay.windows import n_step_window, stack_ages
from envs.base import EnvSpec
from training.device import moved


class Lanes:
    """`lanes` ring buffers of `rows` rows in this process's memory; frames are on `device`."""

    def __init__(
        self,
        lanes: int,
        rows: int,
        *,
        spec: EnvSpec,
        stack: int,
        n_step: int,
        gamma: float,
        device: str,
    ) -> None:
        self.lanes, self.rows, self.stack, self.n_step, self.gamma = lanes, rows, stack, n_step, gamma
        self.device, self.frame_dtype = device, spec.frame_dtype
        slots = lanes * rows
        zeros = np.zeros((slots, *blocks_shape(spec.frame_shape)), spec.frame_dtype)  # untouched pages cost no memory
        self.frames = torch.from_numpy(zeros).to(device)
        # Moving a block of 16 pixels as one 16-byte number is several times faster than 16 bytes.
        self._cells = self.frames.view(torch.complex128) if spec.frame_dtype == np.uint8 else self.frames
        self.action_dtype = stored_action(spec)
        self.action, self.reward = np.zeros(slots, self.action_dtype), np.zeros(slots, np.float32)
        self.terminal, self.first = np.zeros(slots, np.bool_), np.zeros(slots, np.bool_)
        self.version = np.zeros(slots, np.int32)
        self.written = np.zeros(lanes, np.int64)  # rows ever written to each lane
        self.next_row = np.zeros(lanes, np.int64)  # expected `Chunk.row` of the next chunk of each lane
        self.unbroken = np.zeros(lanes, np.int64)  # first row of each lane after its last gap
        self.life = np.zeros(lanes, np.int64)  # `Chunk.life` of the newest rows; 0 if unknown

    def has(self, chunk: Chunk) -> bool:
        """Return whether this chunk, or a later one of the same runner process, was already written."""
        mine = slice(chunk.lane, chunk.lane + chunk.action.shape[1])
        past = (self.life[mine] == chunk.life) & (chunk.row < self.next_row[mine])
        return chunk.life > 0 and bool(past.any())

    def check(self, chunk: Chunk) -> None:
        """Check that a chunk can be written.

        Raises:
            ValueError: it is longer than half a lane, has lanes out of range, or rows of another shape or dtype.
        """
        time, envs = chunk.action.shape[:2]
        if time > self.rows // 2 or not 0 <= chunk.lane <= self.lanes - envs:
            raise ValueError(f"{time} rows from lane {chunk.lane} on do not fit {self.lanes} x {self.rows}: add fewer")
        check_chunk(chunk, tuple(self.frames.shape[1:]), self.frame_dtype, self.action_dtype)

    def write(self, chunk: Chunk) -> None:
        """Append a chunk to its lanes, overwriting their oldest rows."""
        time, envs = chunk.action.shape[:2]
        lanes = np.arange(chunk.lane, chunk.lane + envs)
        slot = self._slot(lanes[None], self.written[lanes] + np.arange(time)[:, None])
        frames = torch.from_numpy(np.require(chunk.frames, requirements=["C", "W"]))  # arrays from Ray are read-only
        self._cells[moved(torch.from_numpy(slot), self.device)] = moved(frames, self.device).view(self._cells.dtype)
        self.action[slot], self.reward[slot] = chunk.action, chunk.reward
        self.terminal[slot], self.first[slot], self.version[slot] = chunk.terminal, chunk.first, chunk.version
        # Windows must not span a lost chunk or a restart of the runner.
        other_life = (self.life[lanes] != chunk.life) & (self.life[lanes] > 0)
        gap = ((self.next_row[lanes] != chunk.row) | other_life) & (self.written[lanes] > 0)
        self.first[slot[0]] |= gap
        self.unbroken[lanes[gap]] = self.written[lanes[gap]]
        self.written[lanes] += time
        self.next_row[lanes], self.life[lanes] = chunk.row + time, chunk.life

    def _slot(self, lane: Index, row: Index) -> Index:
        return lane * self.rows + row % self.rows

    def _eligible(self) -> tuple[Index, Index]:
        """Return the rows [low, high) of each lane with a complete stack and n following rows."""
        # After a restart a shard begins within an episode, so its first stacks are incomplete.
        begun = np.where(self.first[:: self.rows] | (self.written == 0), 0, self.stack - 1)
        low = np.maximum(self.written - self.rows + self.stack - 1, begun)
        return low, np.maximum(self.written - self.n_step, low)

    def _windows(self, lane: Index, row: Index) -> tuple[Index, Index, NDArray[np.float32], NDArray[np.float32]]:
        """Return slots [B], window lengths k [B], rewards [B, n] and discounts [B] of transitions from these rows."""
        n = self.n_step
        slots = self._slot(lane[:, None], row[:, None] + np.arange(n + 1))
        inside, ended = n_step_window(self.first[slots[:, 1:]], self.terminal[slots[:, :n]])
        steps = inside.sum(1)
        discount = np.where(ended, 0.0, self.gamma**steps).astype(np.float32)
        return slots[:, 0], steps, self.reward[slots[:, :n]] * inside, discount

    def _stacks(self, lane: Index, row: Index) -> Tensor:
        """Return observations [B, P, K, D] with the rows' frames as the newest."""
        ages = stack_ages(self.first[self._slot(lane[:, None], row[:, None] - np.arange(self.stack))])
        slots = self._slot(lane[:, None], row[:, None] - ages)[:, ::-1]
        cells = self._cells[moved(torch.from_numpy(slots.copy()), self.device)].transpose(1, 2).contiguous()
        return cells.view(torch.float64).view(self.frames.dtype) if cells.is_complex() else cells
