"""Interface of RLlib's actor manager, without RLlib, whose import costs an actor a second and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ray


class Managed:
    """Base of runners: `FaultTolerantActorManager` pings them and calls methods through `apply`."""

    def ping(self) -> str:
        """Answer a health check."""
        return "pong"

    def apply(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `func` with this actor as its first argument."""
        return func(self, *args, **kwargs)

    def node_id(self) -> str:
        """Return the id of this actor's node."""
        return str(ray.get_runtime_context().get_node_id())
