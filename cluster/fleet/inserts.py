"""Asynchronous insertion of chunks into replay shards, with backpressure and error checks."""

from __future__ import annotations

from typing import Any

import ray

from cluster.errors import FleetError
from cluster.lost import LOST, UNSTARTABLE, never_starts
from training.messages import one_line

SHARD_QUEUE = 8  # pending chunks times shards above which no more are requested
MAX_TURNS_WITHOUT_UPDATE = 100  # consecutive turns with updates due and none possible


class Inserts:
    """Pending insertions of the driver, and a check that inserted data can be sampled."""

    def __init__(self, shards: list[Any]) -> None:
        self.shards = shards
        self.adding: list[Any] = []
        self.turns_without_update = 0  # since the last update or lost shard

    def send(self, chunk: Any, runner: int) -> None:
        """Insert a chunk, by reference, into the shard of its runner (from 0)."""
        self.adding.append(self.shards[runner % len(self.shards)].add.remote([chunk]))

    def settle(self) -> bool:
        """Check finished insertions; return whether more chunks may be requested.

        Raises:
            FleetError: a shard rejected a chunk, or cannot restart.
        """
        done: list[Any] = []
        if self.adding:
            done, self.adding = ray.wait(self.adding, num_returns=len(self.adding), timeout=0)
        for ref in done:
            try:
                ray.get(ref)
            except (*LOST, *UNSTARTABLE, ray.exceptions.ObjectLostError) as error:
                if cause := never_starts(error):
                    raise FleetError(f"a replay shard cannot start: {one_line(cause)}") from cause
                self.turns_without_update = 0  # the shard restarts empty
            except ray.exceptions.RayTaskError as error:
                raise refused(error) from (error.cause or error)
        return len(self.adding) <= SHARD_QUEUE * len(self.shards)

    def count_turn(self, due: int, done: int) -> None:
        """Count a turn with `due` updates, of which `done` were possible.

        Raises:
            FleetError: no update was possible for too many turns.
        """
        if due:
            self.turns_without_update = 0 if done else self.turns_without_update + 1
        if self.turns_without_update >= MAX_TURNS_WITHOUT_UPDATE:
            raise FleetError(
                f"no update in {MAX_TURNS_WITHOUT_UPDATE} turns that owed one: chunks enter replay but batches "
                "do not arrive, as when learners or shards cannot reach the runners' nodes"
            )


def refused(error: BaseException) -> FleetError:
    """Return the error for a chunk that replay rejected."""
    return FleetError(f"replay refused a chunk: {one_line(getattr(error, 'cause', None) or error)}")
