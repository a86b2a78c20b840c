"""Replay of sequences for recurrent agents, on top of `agents.replay.lanes`.

A sequence begins at the first row of a chunk, with the recurrent state stored there (Kapturowski et al. 2019, section
3: "stored state"). It has `burn_in` rows to refresh the state, `unroll` rows to learn from, and `n_step` more rows for
their bootstrap values. Sequences begin T rows apart and overlap. If an episode ends inside, its last row has no
transition, and the state is reset after it.

Legend: T rows of a chunk, B batch, L rows of a sequence, U rows learned from, P blocks, D values a block, S numbers of
a state, n steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.replay.keys import key_of
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Chunk, Index, ReplayEmpty, ReplaySettings
from envs.base import EnvSpec
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class SequenceSettings:
    """Length and priority of sequences, which begin `fleet.chunk_steps` rows apart."""

    burn_in: int = 40  # rows that refresh the stored state, without gradient and loss
    unroll: int = 40  # rows after them that are learned from
    eta: float = 0.9  # weight of the largest error in a sequence's priority; 1 - eta is that of the mean
    rescaling: bool = True  # learn h(Q) instead of Q (`agents.recurrent.targets`)

    def __post_init__(self) -> None:
        check_kinds(self, "sequence")
        if self.burn_in < 0 or self.unroll < 1:
            raise ValueError("sequence.burn_in must be 0 or more, sequence.unroll 1 or more")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"sequence.eta is {self.eta}: a share lies in 0..1")


class SequenceBatch(NamedTuple):
    """B sequences; `transition` is false for the last row of an episode."""

    frames: Tensor  # [B, L, P, D]
    first: Tensor  # [B, L] bool: the frame begins an episode
    memory: Tensor  # [B, S] state before the first row
    action: Tensor  # [B, U] int64
    reward: Tensor  # [B, U, n] float32 raw, 0 after a window's end
    discount: Tensor  # [B, U] gamma^k for a window of k steps, 0 where it terminated
    steps: Tensor  # [B, U] int64: k
    transition: Tensor  # [B, U] bool
    priority: Tensor  # [B] float32, unnormalised; 1 when replay is uniform
    key: Index  # [B] ids of the sequences for updates of priorities
    version: NDArray[np.int32]  # [B] of the acting weights at the first learned row
    prioritized: bool = False  # whether replay needs priorities


class SequenceShard(ReplayShard):
    """A replay shard of sequences, identified by their first row.

    Args:
        sequence: lengths of the sequences.
        chunk_steps: T.
        memory: S.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        sequence: SequenceSettings,
        *,
        lanes: int,
        chunk_steps: int,
        spec: EnvSpec,
        memory: int,
        gamma: float,
        seed: int,
        device: str = "cpu",
        key_offset: int = 0,  # see `agents.replay.keys`
    ) -> None:
        kept: dict[str, Any] = {"device": device, "key_offset": key_offset}
        super().__init__(settings, lanes=lanes, spec=spec, stack=1, gamma=gamma, seed=seed, **kept)
        self.chunk_steps, self.burn_in, self.unroll = chunk_steps, sequence.burn_in, sequence.unroll
        self.length = self.burn_in + self.unroll + self.n_step
        self.chunks = self.rows // chunk_steps  # whole chunks of a lane
        if self.rows < self.length + 2 * chunk_steps:
            raise ValueError(
                f"replay.capacity leaves {self.rows} rows a lane, and a sequence has {self.length}: raise it"
            )
        self.memory = np.zeros((self.lanes, self.chunks, memory), np.float32)

    def check(self, chunk: Chunk) -> None:
        """Check that a chunk can be written.

        Raises:
            ValueError: it does not have T rows and a recurrent state; see also `Lanes.check`.
        """
        super().check(chunk)
        time, envs = chunk.action.shape
        shape = (envs, self.memory.shape[2])
        if time != self.chunk_steps or chunk.memory is None or chunk.memory.shape != shape:
            raise ValueError(f"sequences are made of chunks of {self.chunk_steps} rows with states {list(shape)}")

    def write(self, chunk: Chunk) -> None:
        """Append a chunk to its lanes, with its recurrent states."""
        lanes = np.arange(chunk.lane, chunk.lane + chunk.action.shape[1])
        self.memory[lanes, self._chunk(self.written[lanes])] = chunk.memory
        super().write(chunk)

    def _chunk(self, row: Index) -> Index:
        """Return the indices of the states of chunks that begin at the rows."""
        return row // self.chunk_steps % self.chunks

    def _eligible(self) -> tuple[Index, Index]:
        """Return the rows [low, high) of each lane with a whole sequence; those at multiples of T begin one."""
        low = -(np.minimum(self.rows - self.written, 0) // self.chunk_steps) * self.chunk_steps
        return low, np.maximum(self.written - self.length + 1, low)

    def _has_transition(self, lane: Index, row: Index) -> NDArray[np.bool_]:
        begins: NDArray[np.bool_] = row % self.chunk_steps == 0
        return begins

    def _draw_uniform(self, batch_size: int) -> tuple[Index, Index, NDArray[np.float64]]:
        low, high = self._eligible()
        edges: Index = np.cumsum(-(-(high - low) // self.chunk_steps))
        ticket: Index = self.rng.integers(edges[-1], size=batch_size)
        lane: Index = np.searchsorted(edges, ticket, side="right")
        last = (high[lane] - 1) // self.chunk_steps
        return lane, (last - (edges[lane] - 1 - ticket)) * self.chunk_steps, np.ones(batch_size)

    def sample(self, batch_size: int) -> Any:
        """Sample a `SequenceBatch` with replacement in proportion to priority; frames are on the device.

        Raises:
            ReplayEmpty: there is no whole sequence yet.
            ValueError: `batch_size` is below 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: draw 1 sequence or more")
        if self.mass <= 0:
            raise ReplayEmpty("replay holds no whole sequence yet: add rows before sampling")
        lane, begin, priority = (self._draw_uniform if self.tree is None else self._draw_prioritized)(batch_size)
        learned = self.burn_in + np.arange(self.unroll)
        rows = begin[:, None] + np.arange(self.length)
        slots, shape = self._slot(lane[:, None], rows), (batch_size, self.unroll)
        frames = self._stacks(np.repeat(lane, self.length), rows.ravel())
        _, steps, reward, discount = self._windows(np.repeat(lane, self.unroll), rows[:, learned].ravel())
        return SequenceBatch(
            frames=frames.view(batch_size, self.length, *self.frames.shape[1:]),
            first=torch.from_numpy(self.first[slots]),
            memory=torch.from_numpy(self.memory[lane, self._chunk(begin)]),
            action=torch.from_numpy(self.action[slots[:, learned]].astype(np.int64)),
            reward=torch.from_numpy(reward.reshape(*shape, -1)),
            discount=torch.from_numpy(discount.reshape(shape)),
            steps=torch.from_numpy(steps.reshape(shape)),
            transition=torch.from_numpy(steps.reshape(shape) > 0),
            priority=torch.from_numpy(priority.astype(np.float32)),
            key=key_of(lane, begin, self.key_offset),
            version=self.version[slots[:, self.burn_in]],
            prioritized=self.tree is not None,
        )

    def state(self) -> dict[str, Any]:
        """See `ReplayShard.state`."""
        return {**super().state(), "memory": self.memory}

    def load_state(self, state: dict[str, Any]) -> None:
        """See `ReplayShard.load_state`."""
        if state.get("memory", self.written).shape != self.memory.shape:
            raise ValueError("the saved replay has other states: resume with the settings the run was started with")
        super().load_state(state)
        self.memory[:] = state["memory"]
