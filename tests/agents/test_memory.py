"""Memory helpers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agents.dqn.check import check
from tests.small_run import small_settings
from training.process import keep_freed_memory, require_memory
from training.settings import changed

FAULTS = """
import resource
from training.process import keep_freed_memory
import numpy as np
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(8 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
before = faults()
keep_freed_memory()
faults()
print(before, faults())
"""


def test_more_memory_than_the_machine_has_is_refused_before_anything_is_allocated() -> None:
    require_memory(1 << 20, "replay", "none")
    with pytest.raises(ValueError, match=r"^replay needs 1048576\.0 GiB, and .* GiB are free: lower replay\.capacity$"):
        require_memory(1 << 50, "replay", "lower replay.capacity")


def test_frames_on_a_gpu_must_fit_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay must fit on the GPU; with the CPU, or with shards or learners as actors, the GPU is not asked."""
    settings, asked = small_settings("toy/catch", replay={"capacity": 10_000}, learner={"device": "cuda"}), list[str]()

    def free(device: str) -> tuple[int, int]:
        asked.append(device)
        return 1 << 20, 1 << 30

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", free)
    with pytest.raises(ValueError, match=r"^replay needs 0\.1 GiB on cuda, and 0\.0 GiB are free: lower --replay\.cap"):
        check(settings)
    assert asked == ["cuda"]
    for changes in ({"learner.device": "cpu"}, {"fleet.shards": 1}, {"fleet.learners": 1}):
        assert check(changed(settings, changes)) > 1 << 20
    assert asked == ["cuda"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="an allocator of glibc's")
def test_freed_blocks_are_used_again_instead_of_faulted_in() -> None:
    """Minor page faults in a process of its own fall to less than a fifth."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 20
    assert after < before / 5


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr("training.process.sys.platform", platform)
    monkeypatch.setattr("training.process.ctypes.CDLL", lambda name: pytest.fail("asked for libc"))
    keep_freed_memory()


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("training.process.ctypes.CDLL", missing)
    keep_freed_memory()
