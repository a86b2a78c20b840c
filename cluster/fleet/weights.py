"""Publication of weights from the learner to the runners, which pull newer versions."""

from __future__ import annotations

from typing import Any, NamedTuple

import ray


class Weights(NamedTuple):
    """Parameters of the online network after `version` learner updates."""

    version: int
    ref: list[Any]  # one ObjectRef, in a list so that Ray does not dereference it


class WeightStore:
    """Holds a reference to the newest weights; publishing and pulling never block each other."""

    def __init__(self) -> None:
        self.newest: Weights | None = None

    def publish(self, version: int, ref: list[Any]) -> None:
        """Replace the newest weights."""
        self.newest = Weights(version, ref)

    def other_than(self, version: int) -> Weights | None:
        """Return the newest weights, or None if they are `version`. After a restore the newest version may be lower."""
        return self.newest if self.newest is not None and self.newest.version != version else None

    def node_id(self) -> str:
        """Return the id of this store's node."""
        return str(ray.get_runtime_context().get_node_id())


def start_weight_store() -> Any:
    """Start a store as an actor that reserves no core and restarts empty, until the next publication."""
    return ray.remote(num_cpus=0, max_restarts=-1)(WeightStore).remote()
