"""Reports actors of a fleet that have not answered for long, and when they answer again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from training.messages import say

SILENT_SECONDS = 20.0  # without an answer before it is reported
LOOK_SECONDS = 2.0  # between two polls
LEARNERS = "a learner"


class SilenceWatch:
    """Polls replay shards and the weight store, and measures how long calls of learners take.

    It runs in a thread, since the main loop soon blocks on a frozen actor.
    """

    def __init__(self, actors: dict[str, Any]) -> None:
        self.actors = actors
        self.owed: dict[str, tuple[Any, float]] = {}  # pending pings and their start times
        self.learning_since: float | None = None
        self.silent: set[str] = set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Time a call of the learners."""
        self.learning_since = time.monotonic()
        try:
            yield
        finally:
            self.learning_since = None

    def _watch(self) -> None:
        while not self.over.wait(LOOK_SECONDS) and ray.is_initialized():
            self._look()

    def _look(self) -> None:
        owing = 0.0
        for name, actor in self.actors.items():
            seconds = self._seconds_without(name, actor)
            owing = max(owing, seconds)
            self._hear(name, seconds)
        since = self.learning_since
        # Learners block on an unresponsive shard, so report them only if all other actors respond.
        if since is None or LEARNERS in self.silent or owing < LOOK_SECONDS:
            self._hear(LEARNERS, time.monotonic() - since if since is not None else 0.0)

    def _seconds_without(self, name: str, actor: Any) -> float:
        if name not in self.owed:
            self.owed[name] = (actor.node_id.remote(), time.monotonic())
        ref, since = self.owed[name]
        if ray.wait([ref], timeout=0)[0]:  # with an answer, or an error if the actor died and restarts
            del self.owed[name]
            return 0.0
        return time.monotonic() - since

    def _hear(self, name: str, seconds: float) -> None:
        if seconds >= SILENT_SECONDS and name not in self.silent:
            self.silent.add(name)
            say(f"{name} has not answered for {seconds:.0f} s; waiting")
        elif seconds < SILENT_SECONDS and name in self.silent:
            self.silent.discard(name)
            say(f"{name} answers again")

    def stop(self) -> None:
        """End the thread."""
        self.over.set()
        self.thread.join()


def watch_over(shards: list[Any], weight_store: Any) -> SilenceWatch:
    """Start to watch a fleet's replay shards and weight store."""
    return SilenceWatch(
        {**{f"replay shard {i}": shard for i, shard in enumerate(shards)}, "the weight store": weight_store}
    )
