"""Data types of replay: chunks of rows from rollouts, batches of transitions for learners.

Legend: T time, E lanes of a runner, B batch, P blocks, K stack, D values a block, n steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from envs.base import EnvSpec
from training.device import moved
from training.settings import check_kinds

Index = NDArray[np.int64]
ACTION = np.dtype(np.uint16)  # of stored actions; `envs.base.MAX_ACTIONS` bounds their number


def stored_action(spec: EnvSpec) -> np.dtype[Any]:
    """Return the dtype of a stored action: an integer, or J torques as float32 (a dtype of shape [J])."""
    return np.dtype((np.float32, (spec.joints,))) if spec.joints else ACTION


@dataclass(frozen=True, kw_only=True)
class ReplaySettings:
    """Size of replay and sampling."""

    capacity: int = 1_000_000  # frames, over all lanes and shards
    prioritized: bool = False
    # Priority of a new transition: the highest seen so far (Schaul et al. 2016), or its TD error under the acting
    # network (Horgan et al. 2018).
    initial_priority: Literal["max", "actor"] = "max"
    alpha: float = 0.6  # priority exponent (Schaul et al. 2016, table 3)
    beta: float = 0.4  # importance exponent at the first update, annealed to 1
    beta_updates: int = 1_000_000  # learner updates until beta is 1
    n_step: int = 1
    samples_per_insert: float = 8.0  # trained transitions per agent step: batch 32 every 4 steps in 2015
    learning_starts: int = 50_000  # agent steps before the first update

    def __post_init__(self) -> None:
        check_kinds(self, "replay")
        if self.capacity < 1_000:
            raise ValueError(f"replay.capacity is {self.capacity}: use at least 1,000 frames")
        if not (0 <= self.alpha <= 1 and 0 <= self.beta <= 1 and self.beta_updates > 0):
            raise ValueError("replay.alpha and replay.beta lie in 0..1, replay.beta_updates above 0")
        if not 1 <= self.n_step <= 32:
            raise ValueError(f"replay.n_step is {self.n_step}: use 1 to 32")
        if not 0 < self.samples_per_insert <= 1024:
            raise ValueError(f"replay.samples_per_insert is {self.samples_per_insert}: use a ratio above 0, up to 1024")
        if not 0 <= self.learning_starts <= self.capacity:
            raise ValueError("replay.learning_starts must lie between 0 and replay.capacity")

    def beta_at(self, updates: int) -> float:
        """Return the importance exponent after `updates` learner updates: linear from beta to 1."""
        return self.beta + (1.0 - self.beta) * min(updates / self.beta_updates, 1.0)


class Chunk(NamedTuple):
    """T consecutive rows of E lanes of a rollout, time-major."""

    frames: NDArray[Any]  # [T, E, P, D] uint8 or float32
    action: NDArray[Any]  # [T, E] uint16; [T, E, J] float32 where actions are torques
    reward: NDArray[np.float32]  # [T, E] raw
    terminal: NDArray[np.bool_]  # [T, E] do not bootstrap after this transition (termination or life loss)
    first: NDArray[np.bool_]  # [T, E] the frame begins an episode
    lane: int  # first lane; the runner's others follow
    version: int  # of the weights that chose the actions
    row: int  # rows of this runner process before these; a gap shows that a chunk was lost
    life: int = 0  # id of the runner process: the same life and row is the same chunk; 0: unknown
    priority: NDArray[np.float32] | None = None  # [T, E] |TD error| of the transitions that begin n rows earlier
    memory: NDArray[np.float32] | None = None  # [E, S] recurrent state before the first row


def check_chunk(chunk: Chunk, frame: tuple[int, ...], dtype: np.dtype[Any], action: np.dtype[Any] = ACTION) -> None:
    """Check that a chunk has frames [P, D] = `frame` of `dtype` and actions of dtype `action`.

    Raises:
        ValueError: a column has another shape or dtype, or a number in it is not finite.
    """
    rows = chunk.action.shape[:2]
    shape = (*rows, *frame)
    if chunk.frames.shape != shape or chunk.frames.dtype != dtype:
        raise ValueError(
            f"the chunk's frames are {chunk.frames.dtype} {list(chunk.frames.shape)}: give {dtype} {list(shape)}"
        )
    for name in ("reward", "terminal", "first", "priority"):
        column = getattr(chunk, name)
        if column is not None and column.shape != rows:
            raise ValueError(f"the chunk's {name} has another shape than its action: give {list(rows)}")
    given = np.dtype((chunk.action.dtype, chunk.action.shape[2:]))
    if not np.can_cast(given.base, action.base) or given.shape != action.shape:
        raise ValueError(f"the chunk's action is {given}: give {action}")
    for name, column in (("reward", chunk.reward), ("frames", chunk.frames), ("action", chunk.action)):
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise ValueError(
                f"the chunk's {name} holds a number that is not finite: repair the environment that gave it"
            )


class Batch(NamedTuple):
    """B transitions; `discount` is gamma^k for a window of k steps and 0 where it terminated."""

    obs: Tensor  # [B, P, K, D]
    action: Tensor  # [B] int64; [B, J] float32 where actions are torques
    reward: Tensor  # [B, n] float32 raw, 0 after the window's end
    discount: Tensor  # [B] float32
    next_obs: Tensor  # [B, P, K, D]
    priority: Tensor  # [B] float32, unnormalised; 1 when replay is uniform
    key: Index  # [B] ids of the rows for updates of priorities
    version: NDArray[np.int32]  # [B] of the acting weights
    prioritized: bool = False  # whether replay needs the TD errors


def to_device(batch: Batch, device: str) -> Batch:
    """Move the tensors of a batch (also of sequences) to the device; arrays stay on the CPU."""
    fields: dict[str, Any] = batch._asdict()
    tensors = {name: value for name, value in fields.items() if isinstance(value, Tensor)}
    return batch._replace(**fields | {name: moved(value, device) for name, value in tensors.items()})


class ReplayEmpty(ValueError):
    """Replay has no transition to sample: it is new, or all shards with data were lost."""


class Replay(Protocol):
    """Replay interface of a learner."""

    def sample(self, batch_size: int) -> Batch: ...

    def update_priorities(self, key: Index, priority: NDArray[np.float32]) -> None: ...
