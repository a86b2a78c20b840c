"""Settings of all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import hypothesis
import pytest

# Test processes share the cores: a second thread in each would spin while it waits for a core in use.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A script's background job starts with SIGINT ignored, and so would every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test may fail because the machine is busy.
hypothesis.settings.register_profile("quarterdeck", deadline=None)
hypothesis.settings.load_profile("quarterdeck")


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """Fail a test that leaves a SIGINT handler behind, not the next one that sends a signal."""
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture(autouse=True)
def _no_kernels_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give torch an empty list of GPU architectures: in tests that fake a GPU, a CUDA build would ask a driver."""
    if torch := sys.modules.get("torch"):
        monkeypatch.setattr(torch.cuda, "get_arch_list", list)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread files that start Ray among the others: they mostly wait, and side by side would leave cores idle.

    Slow ones come first, and the last ones start no Ray, so that at the end no process waits for a long file.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    files = sorted(dict.fromkeys(item.path for item in items), key=lambda path: path not in slow)
    with_ray = {item.path for item in items if item.get_closest_marker("ray")}
    groups = (
        (0.85, [path for path in files if path in with_ray]),
        (1.0, [path for path in files if path not in with_ray]),
    )
    place = {path: end * (index + 0.5) / len(group) for end, group in groups for index, path in enumerate(group)}
    items.sort(key=lambda item: place[item.path])
