"""What RLlib's actor manager calls on an actor, without RLlib, whose import costs a process a second and its memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ray


class Managed:
    """Of a runner: `FaultTolerantActorManager` looks whether it lives, and calls its methods through `apply`."""

    def ping(self) -> str:
        """Any answer says that it lives."""
        return "pong"

    def apply(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """`func` with this actor as its first argument."""
        return func(self, *args, **kwargs)

    def node_id(self) -> str:
        """The node this actor lives on."""
        return str(ray.get_runtime_context().get_node_id())
