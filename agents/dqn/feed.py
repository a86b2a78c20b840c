"""Prefetching of batches during updates. Legend: B batch, A actions, Z outputs per action.

One sampler thread draws batches and updates priorities in the order of the requests, so runs are reproducible and
the training thread waits for neither. With a GPU the thread has its own stream: it copies a batch from pinned memory
and computes its bootstrap values while the learner's stream trains on the previous batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import Any, NamedTuple

import torch

from agents.replay.transitions import Batch, Replay, to_device
from agents.updates import UpdateResult, priority_of


class Drawn(NamedTuple):
    """A batch on the learner's device with its bootstrap values."""

    batch: Batch
    out_next: Any  # output of the target network: [B, A], [B, A, Z] or what its head takes
    done: torch.cuda.Event | None  # recorded when the GPU has finished both


class Feed:
    """Prefetches batches for a learner on `device`; `bootstrap` computes the target network's output.

    `start` requests the first batch of a series, `ask` the next one; `take` waits for a batch, `tell` sends an
    update's priorities to replay, and `finish` waits until replay has them.
    """

    def __init__(self, device: str, bootstrap: Callable[[Batch], Any]) -> None:
        self.device, self.bootstrap = device, bootstrap
        self.asked, self.told = deque[Future[Drawn]](), deque[Future[None]]()
        self.left = 0  # batches not requested yet
        self.stream = torch.cuda.Stream(device) if device.startswith("cuda") else None  # type: ignore[no-untyped-call]
        self.pool = ThreadPoolExecutor(1, "sampler")

    def start(self, replay: Replay, batch_size: int, batches: int) -> None:
        """Request the first of `batches`, discarding what a failed call of `train` may have left."""
        self.asked.clear()
        self.told.clear()
        self.left = batches
        self.ask(replay, batch_size)

    def ask(self, replay: Replay, batch_size: int) -> None:
        """Request a batch, unless all of the series are requested."""
        if self.left:
            self.left -= 1
            self.asked.append(self.pool.submit(self._draw, replay, batch_size, self._so_far()))

    def take(self) -> tuple[Batch, Any]:
        """Wait for the next batch; only the learner's stream waits for the GPU's part of it.

        Raises:
            ReplayEmpty: replay has nothing to sample.
            FloatingPointError: an update before the last had a priority that is not finite.
        """
        batch, out_next, done = self.asked.popleft().result()
        if done is not None:
            torch.cuda.current_stream(self.device).wait_event(done)
        if len(self.told) > 1:
            self.told.popleft().result()  # was queued before this batch, so it is done
        return batch, out_next

    def tell(self, replay: Replay, batch: Batch, update: UpdateResult, precision: str) -> None:
        """Queue an update of replay's priorities, if it is prioritized."""
        if batch.prioritized:
            self.told.append(self.pool.submit(self._tell, replay, batch, update, precision, self._so_far()))

    def finish(self) -> None:
        """Wait until replay has all priorities.

        Raises:
            FloatingPointError: one is not finite.
        """
        while self.told:
            self.told.popleft().result()

    def _draw(self, replay: Replay, batch_size: int, so_far: torch.cuda.Event | None) -> Drawn:
        with self._beside(so_far):
            batch = to_device(replay.sample(batch_size), self.device)
            out_next = self.bootstrap(batch)
            return Drawn(batch, out_next, self.stream.record_event() if self.stream is not None else None)

    def _tell(
        self, replay: Replay, batch: Batch, update: UpdateResult, precision: str, so_far: torch.cuda.Event | None
    ) -> None:
        with self._beside(so_far):
            replay.update_priorities(batch.key, priority_of(update, precision))

    def _so_far(self) -> torch.cuda.Event | None:
        """Mark the work queued on the learner's stream: frames, target network, the update before the last."""
        return torch.cuda.current_stream(self.device).record_event() if self.stream is not None else None

    def _beside(self, so_far: torch.cuda.Event | None) -> AbstractContextManager[object]:
        """Switch to the sampler's stream, after `so_far` on the learner's stream.

        This also makes it safe to reuse a batch's memory once it is unreferenced: the updates that read it precede
        the next draw.
        """
        if self.stream is None or so_far is None:
            return nullcontext()
        self.stream.wait_event(so_far)
        return torch.cuda.stream(self.stream)


class Stopwatch:
    """Measures laps of this thread on a CPU, of the current stream on a GPU (by events, without synchronisation)."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.marks: list[float | torch.cuda.Event] = []

    def mark(self) -> None:
        """End a lap and begin the next."""
        if not self.device.startswith("cuda"):
            self.marks.append(perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        self.marks.append(event)

    def laps(self) -> list[float]:
        """Return the seconds of each lap; on a GPU, call it after synchronisation."""
        return [_seconds(one, next_) for one, next_ in zip(self.marks, self.marks[1:], strict=False)]


def _seconds(start: float | torch.cuda.Event, end: float | torch.cuda.Event) -> float:
    if isinstance(start, float) or isinstance(end, float):
        return float(end) - float(start)  # type: ignore[arg-type]
    return float(start.elapsed_time(end)) / 1e3
