"""Batches for a learner, drawn beside its updates. Legend: B batch, A actions, Z numbers an action.

One thread draws, and tells replay its priorities, in the order in which it was asked: a run can be repeated, and
whoever trains waits for neither. With a GPU that thread has a stream of its own, on which a batch comes over from
pinned memory and the target network judges it while the learner's stream is busy with the batch before.
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
    """A batch on the learner's device, judged by the target network."""

    batch: Batch
    out_next: Any  # [B, A] or [B, A, Z], or what else its head makes values of
    done: torch.cuda.Event | None  # when the GPU has finished both


class Feed:
    """Batches for a learner on `device`; `bootstrap` is what its target network says of one.

    `start` asks for the first batch of a number; `ask` for the next, `take` waits for it, and `tell` gives replay the
    update's priorities; `finish` waits for these.
    """

    def __init__(self, device: str, bootstrap: Callable[[Batch], Any]) -> None:
        self.device, self.bootstrap = device, bootstrap
        self.asked, self.told = deque[Future[Drawn]](), deque[Future[None]]()
        self.left = 0  # batches still to ask for
        self.stream = torch.cuda.Stream(device) if device.startswith("cuda") else None  # type: ignore[no-untyped-call]
        self.pool = ThreadPoolExecutor(1, "sampler")

    def start(self, replay: Replay, batch_size: int, batches: int) -> None:
        """Ask for the first of so many batches. What a training that failed has left is of no use to this one."""
        self.asked.clear()
        self.told.clear()
        self.left = batches
        self.ask(replay, batch_size)

    def ask(self, replay: Replay, batch_size: int) -> None:
        """Draw a batch, after all that was asked for before; nothing where none is left to ask for."""
        if self.left:
            self.left -= 1
            self.asked.append(self.pool.submit(self._draw, replay, batch_size, self._so_far()))

    def take(self) -> tuple[Batch, Any]:
        """The batch, once it is there; the learner's stream waits for the GPU's part of it, this thread does not.

        Raises:
            ReplayEmpty: nothing can be drawn.
            FloatingPointError: an update before the last had a priority that is no finite number.
        """
        batch, out_next, done = self.asked.popleft().result()
        if done is not None:
            torch.cuda.current_stream(self.device).wait_event(done)
        if len(self.told) > 1:
            self.told.popleft().result()  # it stood before this batch: nobody waits
        return batch, out_next

    def tell(self, replay: Replay, batch: Batch, update: UpdateResult, precision: str) -> None:
        """Give replay an update's priorities if it wants them, after all that was asked for before."""
        if batch.prioritized:
            self.told.append(self.pool.submit(self._tell, replay, batch, update, precision, self._so_far()))

    def finish(self) -> None:
        """Wait until replay has every priority.

        Raises:
            FloatingPointError: one is no finite number.
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
        """All that the learner's stream was given until now: frames, a target network, the update before the last."""
        return torch.cuda.current_stream(self.device).record_event() if self.stream is not None else None

    def _beside(self, so_far: torch.cuda.Event | None) -> AbstractContextManager[object]:
        """The stream of this thread, which goes on when the learner's has come as far as `so_far`.

        That is also why a batch's memory may be used again as soon as nobody names it: the updates that read it came
        before whatever is drawn next.
        """
        if self.stream is None or so_far is None:
            return nullcontext()
        self.stream.wait_event(so_far)
        return torch.cuda.stream(self.stream)


class Stopwatch:
    """Laps of this thread on a CPU, of the current stream on a GPU: nobody waits for its work, or times its launch."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.marks: list[float | torch.cuda.Event] = []

    def mark(self) -> None:
        """Here one lap ends and the next begins."""
        if not self.device.startswith("cuda"):
            self.marks.append(perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        self.marks.append(event)

    def laps(self) -> list[float]:
        """Seconds of each lap; on a GPU, after it has been waited for."""
        return [_seconds(one, next_) for one, next_ in zip(self.marks, self.marks[1:], strict=False)]


def _seconds(start: float | torch.cuda.Event, end: float | torch.cuda.Event) -> float:
    if isinstance(start, float) or isinstance(end, float):
        return float(end) - float(start)  # type: ignore[arg-type]
    return float(start.elapsed_time(end)) / 1e3
