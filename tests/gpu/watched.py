"""Observation of the simulated GPU: which function copies, which waits, and whether streams race.

Tensors are torch's fake tensors: shapes, dtypes and devices are tracked, nothing is computed. Every operation passes
through `Watch`, and the order of streams and events is tracked by logical clocks (Lamport 1978).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ROOT = Path(__file__).parents[2]
OURS = tuple(f"{ROOT / name}/" for name in ("agents", "gan", "training", "cluster"))


class Event:
    """A substitute for `torch.cuda.Event`."""

    def __init__(self, enable_timing: bool = False) -> None:
        self.timed, self.seen = enable_timing, Counter[Any]()

    def record(self, stream: Stream | None = None) -> None:
        self.seen = Counter((stream or Stream.current).seen)

    def elapsed_time(self, later: Event) -> float:
        assert self.timed, "this event was made without enable_timing"
        assert later.timed, "that event was made without enable_timing"
        return 2.0  # ms

    def synchronize(self) -> None:
        Watch.current.note("waits")


class Stream:
    """A substitute for `torch.cuda.Stream`; `seen` is the progress of each stream on which later work can rely."""

    current: Stream

    def __init__(self, device: Any = None) -> None:
        self.seen = Counter[Any]()

    def wait_event(self, event: Event) -> None:
        self.seen |= event.seen

    def record_event(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def synchronize(self) -> None:
        Watch.current.note("waits")


@contextmanager
def on_stream(stream: Stream) -> Iterator[None]:
    """Make `stream` the current stream, as `torch.cuda.stream` does."""
    before, Stream.current = Stream.current, stream
    yield
    Stream.current = before


class Inline:
    """A pool that runs work when it is submitted, as torch's dispatch modes belong to one thread."""

    def submit(self, call: Any, *arguments: Any) -> Future[Any]:
        found: Future[Any] = Future()
        try:
            found.set_result(call(*arguments))
        except Exception as error:  # raised by `result`
            found.set_exception(error)
        return found


def line_of_ours() -> str:
    """Return file and function of the innermost frame of the product, skipping the helper `moved`."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(OURS) and code.co_name[0] != "<" and code.co_name != "moved":
            return f"{Path(code.co_filename).relative_to(ROOT)}:{code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere"


class Watch(TorchDispatchMode):
    """Counts copies and waits by function; raises where streams race. Enter it within a `FakeTensorMode`."""

    current: Watch

    def __init__(self) -> None:
        super().__init__()
        self.copies, self.waits = Counter[str](), Counter[str]()
        self.users: dict[int, dict[str, Counter[Any]]] = {}  # of each storage: its writers, its readers
        Stream.current, Watch.current = Stream(), self

    def note(self, kind: str) -> None:
        getattr(self, kind)[line_of_ours()] += 1

    def taken(self) -> dict[str, dict[str, int]]:
        """Return and clear the counts since the last call."""
        found = {"copies": dict(self.copies), "waits": dict(self.waits)}
        self.copies.clear()
        self.waits.clear()
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        if name in ("_local_scalar_dense", "item", "is_nonzero"):
            if args[0].device.type == "cuda":
                self.note("waits")
            return 1.0 if args[0].dtype.is_floating_point else 1
        if name == "is_pinned":
            return getattr(args[0], "pinned", False)
        if name in ("_pin_memory", "pin_memory"):
            pinned = torch.ops.aten.clone.default(args[0])
            pinned.pinned = True
            return pinned
        out = func(*args, **kwargs)
        for tensor in tree_leaves(out):
            if isinstance(tensor, FakeTensor):
                tensor.constant = None  # a fake with a constant value would be computed with
        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
        chance = given.get("generator")
        if chance is not None and chance.device.type != out.device.type:
            raise AssertionError(f"a generator of the {chance.device.type} for a tensor elsewhere at {line_of_ours()}")
        if name in ("to", "_to_copy", "copy_"):
            self._copied(given["src"] if name == "copy_" else given["self"], out, given.get("non_blocking", False))
        self._order(func, given, out)
        return out

    def _copied(self, source: Tensor, out: Tensor, non_blocking: bool) -> None:
        if source.device.type == out.device.type:
            return
        self.note("copies")
        host = source if out.device.type == "cuda" else out
        if not (non_blocking and getattr(host, "pinned", False)):
            self.note("waits")

    def _order(self, func: Any, given: dict[str, Any], out: Any) -> None:
        """Raise if this operation uses a tensor of another stream without waiting for that stream."""
        stream = Stream.current
        stream.seen[stream] += 1
        writes = [a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
        written = [given[name] for name in writes if name in given]
        mine = {place(t) for t in tree_leaves(given) if on_gpu(t)}
        changed = {place(t) for t in tree_leaves(written) if on_gpu(t)}
        for storage in mine:
            users = self.users.setdefault(storage, {"wrote": Counter(), "read": Counter()})
            before = users["wrote"] | users["read"] if storage in changed else users["wrote"]
            if late := [other for other, when in before.items() if stream.seen[other] < when]:
                raise AssertionError(f"a race of {len(late) + 1} streams in {func} at {line_of_ours()}")
            users["wrote" if storage in changed else "read"][stream] = stream.seen[stream]
        for storage in {place(t) for t in tree_leaves(out) if on_gpu(t)} - mine:  # new, perhaps at an old address
            self.users[storage] = {"wrote": Counter({stream: stream.seen[stream]}), "read": Counter()}


def on_gpu(value: Any) -> bool:
    """Return whether a value is a tensor on the simulated GPU."""
    return isinstance(value, Tensor) and value.device.type == "cuda"


def place(tensor: Tensor) -> int:
    """Return the identity of the storage that a tensor shares with its views."""
    return tensor.untyped_storage()._cdata


def stand_in() -> None:
    """Replace torch's streams, events and `Tensor.numpy` by this module's."""
    real_numpy, cuda, tensor = Tensor.numpy, torch.cuda, Tensor

    def numpy(self: Tensor, **options: Any) -> Any:
        if not isinstance(self, FakeTensor):
            return real_numpy(self, **options)
        assert self.device.type == "cpu", f"numpy() of a {self.device} tensor at {line_of_ours()}"
        return np.ones(tuple(self.shape), str(self.dtype).removeprefix("torch."))

    patched: Any = tensor
    patched.numpy = numpy
    patched = cuda
    patched.Event, patched.Stream, patched.stream = Event, Stream, on_stream
    patched.current_stream = lambda device=None: Stream.current
