"""Weights on their way from the learner to the runners: one object, a version number, pulled when newer."""

from __future__ import annotations

from typing import Any, NamedTuple

import ray


class Weights(NamedTuple):
    """Parameters of the online network after `version` learner updates."""

    version: int
    ref: list[Any]  # one ObjectRef, in a list so that Ray passes the reference and not the arrays


class WeightStore:
    """Holds the newest reference. Publishing never waits for a runner, pulling never waits for the learner."""

    def __init__(self) -> None:
        self.newest: Weights | None = None

    def publish(self, version: int, ref: list[Any]) -> None:
        """Replace what was there."""
        self.newest = Weights(version, ref)

    def other_than(self, version: int) -> Weights | None:
        """The newest weights, or None if they are `version`. After a restore the newest may have a lower number."""
        return self.newest if self.newest is not None and self.newest.version != version else None

    def node_id(self) -> str:
        """The node this store lives on."""
        return str(ray.get_runtime_context().get_node_id())


def start_weight_store() -> Any:
    """A store as an actor that takes no core and restarts empty; the next publication fills it."""
    return ray.remote(num_cpus=0, max_restarts=-1)(WeightStore).remote()
