"""Chunks on their way into replay as actors: sent by reference, taken in at leisure, refused by no shard unnoticed."""

from __future__ import annotations

from typing import Any

import ray

from cluster.errors import FleetError
from cluster.lost import LOST, UNBORN, never_starts
from training.messages import one_line

SHARD_QUEUE = 8  # chunks on their way to a shard, beyond which nobody is asked for more
BARREN_TURNS = 100  # turns in a row that earn updates of which none can be done; each has brought a chunk


class Inserts:
    """What the driver knows of the way into replay: what shards have not yet taken in, and whether it comes out."""

    def __init__(self, shards: list[Any]) -> None:
        self.shards = shards
        self.adding: list[Any] = []
        self.barren = 0  # turns since the last update or the last shard that was lost

    def send(self, chunk: Any, runner: int) -> None:
        """Send a chunk's reference to the shard of its runner (from 0)."""
        self.adding.append(self.shards[runner % len(self.shards)].add.remote([chunk]))

    def settle(self) -> bool:
        """Look at what shards have answered; whether there is room for more.

        Raises:
            FleetError: a shard refused a chunk, or cannot start again.
        """
        done: list[Any] = []
        if self.adding:
            done, self.adding = ray.wait(self.adding, num_returns=len(self.adding), timeout=0)
        for ref in done:
            try:
                ray.get(ref)
            except (*LOST, *UNBORN, ray.exceptions.ObjectLostError) as error:
                if cause := never_starts(error):
                    raise FleetError(f"a replay shard cannot start: {one_line(cause)}") from cause
                self.barren = 0  # a shard that was lost comes back, and fills again
            except ray.exceptions.RayTaskError as error:
                raise refused(error) from (error.cause or error)
        return len(self.adding) <= SHARD_QUEUE * len(self.shards)

    def count_turn(self, due: int, done: int) -> None:
        """Note a turn in which `due` updates were earned and `done` could be done.

        Raises:
            FleetError: for long, chunks have gone into replay and nothing has come out.
        """
        if due:
            self.barren = 0 if done else self.barren + 1
        if self.barren >= BARREN_TURNS:
            raise FleetError(
                f"no update could be done in {BARREN_TURNS} turns that earned some: chunks go into replay and do not "
                "come out, as where learners or shards cannot reach the runners' nodes"
            )


def refused(error: BaseException) -> FleetError:
    """What to raise where replay does not take a chunk."""
    return FleetError(f"replay refused a chunk: {one_line(getattr(error, 'cause', None) or error)}")
