"""Replay shards as actors, shared by all learners, with the same interface as replay in the learner.

Runner r (from 0) of a fleet with S shards writes to shard r mod S, so all frames of a lane are in one shard. A key
holds the shard in the bits above those of the lane (`agents.replay.keys`).
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from agents.dqn.settings import Settings
from agents.parts import parts_of
from agents.replay.keys import MAX_OFFSET, SHARD_BITS
from agents.replay.transitions import Batch, Chunk, Index, ReplayEmpty
from cluster.fleet import placement
from cluster.fleet.compression import Packed, unpack
from cluster.lost import LOST, UNSTARTABLE
from envs.base import EnvSpec
from training.process import keep_freed_memory
from training.storage import checkpoint

PREFETCH = 2  # batches requested ahead
TIMEOUT = 30.0  # seconds without an answer after which a shard is considered lost
CHUNK_TIMEOUT = 5.0  # seconds after which a chunk in transfer is considered lost
Part = tuple[Any, float]  # a batch of arrays or None, and the mass


def replay_in(folder: Path, index: int) -> Path:
    """Return the path in a checkpoint of the replay of a shard, or of a learner with its own replay."""
    return folder / f"replay-{index}"


def require_replay(folder: Path, parts: int) -> None:
    """Check that all parts of replay, each written on its actor's node, are visible here, so that they can be loaded.

    Raises:
        CheckpointError: one is not.
    """
    for part in (replay_in(folder, index) for index in range(parts)):
        if not checkpoint.is_whole(part):
            found = f"{part.name} of the checkpoint is not on this machine"
            raise checkpoint.CheckpointError(found, "put --run-dir on storage that every node sees")


class ShardActor:
    """A shard in its own process. After a failure it restarts empty, so only its share of the data is lost."""

    def __init__(self, settings: Settings, index: int, spec: EnvSpec) -> None:
        keep_freed_memory()
        torch.set_num_threads(1)
        self.settings, self.index = settings, index
        self.spec = spec
        self.shard = self.empty()

    def empty(self) -> Any:
        """Return an empty shard with a random key offset, so that keys of earlier incarnations do not match."""
        offset = secrets.randbelow(MAX_OFFSET)
        return parts_of(self.settings).make_replay(self.settings, self.spec, shard=self.index, key_offset=offset)

    def add(self, refs: list[Any]) -> None:
        """Append chunks of this shard's runners, given as references in a list.

        With a bare reference Ray would block this and all later calls while its host is unreachable.
        """
        fleet = self.settings.fleet
        for chunk in map(unpack, fetch(refs)):
            place = chunk.lane // fleet.envs_per_runner // fleet.shards
            self.shard.add(chunk._replace(lane=place * fleet.envs_per_runner))

    def sample(self, batch_size: int) -> Part:
        """Return `batch_size` transitions as arrays, or None if the shard is empty, and the shard's total priority."""
        if self.shard.mass <= 0:
            return None, 0.0
        batch = self.shard.sample(batch_size)
        arrays = {name: value.numpy() for name, value in batch._asdict().items() if isinstance(value, torch.Tensor)}
        return batch._replace(**arrays, key=batch.key | np.int64(self.index) << SHARD_BITS), self.shard.mass

    def update_priorities(self, key: Index, priority: NDArray[np.float32]) -> None:
        """Set the priorities of rows of this shard."""
        self.shard.update_priorities(key & ((1 << SHARD_BITS) - 1), priority)

    def node_id(self) -> str:
        """Return the id of this shard's node."""
        return str(ray.get_runtime_context().get_node_id())

    def mass(self) -> float:
        """Return the total priority."""
        return float(self.shard.mass)

    def save(self, path: str) -> None:
        """Write this shard's checkpoint from this process, so that frames do not pass through the driver."""
        checkpoint.save(Path(path), self.shard.state())

    def load(self, path: str) -> None:
        """Restore the shard; empty if it was lost when the checkpoint was written."""
        if state := checkpoint.load(Path(path)):
            self.shard.load_state(state)
        else:
            self.shard = self.empty()


def start_shards(settings: Settings, spec: EnvSpec) -> list[Any]:
    """Start the shards as actors that reserve no core and restart empty."""
    # Reserve the memory of the frames, which Ray does not account for otherwise.
    memory = settings.replay_bytes(spec) // max(settings.fleet.shards, 1)
    place = {"resources": placement.unit(settings, placement.SHARD), "scheduling_strategy": "SPREAD"}
    actor = ray.remote(num_cpus=0, memory=memory, max_restarts=-1, max_task_retries=0, **place)(ShardActor)
    return [actor.remote(settings, index, spec) for index in range(settings.fleet.shards)]


class ShardedReplay:
    """Replay interface of a learner to all shards: samples in proportion to their total priority, with prefetching."""

    def __init__(self, shards: list[Any], seed: int, *, prioritized: bool) -> None:
        self.shards, self.prioritized = shards, prioritized
        self.masses = np.zeros(len(shards))
        self.rng = np.random.default_rng(seed)
        self.batch_size = 0
        self.pending: list[list[tuple[int, Any]]] = []  # requested batches of that size
        self.asked: dict[int, Any] = {}  # pending requests for the priority of empty shards

    def sample(self, batch_size: int) -> Batch:
        """Sample a batch over all shards; lost or empty shards are skipped and polled again later.

        Raises:
            ReplayEmpty: all shards are empty or lost.
        """
        if batch_size != self.batch_size:
            self.batch_size, self.pending = batch_size, []
        while True:
            while len(self.pending) < PREFETCH:
                self.pending.append(self._request(batch_size))
            parts = [self._receive(index, ref) for index, ref in self.pending.pop(0)]
            whole = [part for part in parts if part is not None]
            if len(whole) == len(parts):
                return self._merge(whole)

    def _request(self, batch_size: int) -> list[tuple[int, Any]]:
        self._look_again()
        if self.masses.sum() <= 0:
            raise ReplayEmpty("replay is empty: add rows before sampling")
        counts = self.rng.multinomial(batch_size, self.masses / self.masses.sum())
        return [(i, self.shards[i].sample.remote(int(count))) for i, count in enumerate(counts) if count]

    def _look_again(self) -> None:
        """Poll empty or lost shards; wait for their answers only if all others are empty, too."""
        for index in np.flatnonzero(self.masses <= 0).tolist():
            if index not in self.asked:
                self.asked[index] = self.shards[index].mass.remote()
        if not self.asked:
            return
        refs = list(self.asked.values())
        answered, _ = ray.wait(refs, num_returns=len(refs), timeout=0 if self.masses.any() else TIMEOUT)
        for index in [index for index, ref in self.asked.items() if ref in answered]:
            self.masses[index] = self._ask(self.asked.pop(index)) or 0.0

    def _receive(self, index: int, ref: Any) -> Any:
        part, self.masses[index] = self._ask(ref) or (None, 0.0)
        return part

    def _ask(self, ref: Any) -> Any:
        try:
            return ray.get(ref, timeout=TIMEOUT)
        except (*LOST, *UNSTARTABLE, ray.exceptions.GetTimeoutError, ray.exceptions.ObjectLostError):
            return None

    def update_priorities(self, key: Index, priority: NDArray[np.float32]) -> None:
        """Send priorities to their shards, without waiting."""
        owner = key >> SHARD_BITS
        for index in np.unique(owner):
            self.shards[index].update_priorities.remote(key[owner == index], priority[owner == index])

    def _merge(self, parts: list[Any]) -> Batch:
        """Concatenate parts to one batch; all fields but `prioritized` are arrays whose first axis is B."""
        fields = [name for name in parts[0]._fields if name != "prioritized"]
        whole: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in fields}
        tensors = {name: torch.from_numpy(array) for name, array in whole.items() if name not in ("key", "version")}
        merged: Batch = parts[0]._replace(**whole | tensors, prioritized=self.prioritized)
        return merged


def fetch(refs: list[Any]) -> list[Chunk | Packed]:
    """Get chunks by reference, skipping lost ones; replay detects the gap by row numbers."""
    chunks: list[Chunk | Packed] = []
    for ref in refs:
        with contextlib.suppress(ray.exceptions.ObjectLostError, ray.exceptions.GetTimeoutError):
            chunks.append(ray.get(ref, timeout=CHUNK_TIMEOUT))
    return chunks
