"""Settings of all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import hypothesis
import pytest

# Test processes share the cores: a second thread of each would wait, spinning, for a core that another test has.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A job in the background of a script is started deaf to Ctrl-C, and so would be every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test may fail because the machine is busy.
hypothesis.settings.register_profile("quarterdeck", deadline=None)
hypothesis.settings.load_profile("quarterdeck")


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """A test that leaves a handler behind fails itself, not the one after it that sends a signal."""
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture(autouse=True)
def _no_kernels_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that pretend a GPU find torch's build silent on which it is for: one for GPUs would ask a driver."""
    if torch := sys.modules.get("torch"):
        monkeypatch.setattr(torch.cuda, "get_arch_list", list)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread files that start Ray among the others: they mostly wait, and side by side would leave cores idle.

    Slow ones come first, and the last ones start no Ray: at the end no process waits for another's long file.
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
