"""Use of memory, cores and GPU."""

from __future__ import annotations

import contextlib
import time

import psutil
import torch

GIB = float(2**30)
GPU_SECONDS = 5.0  # between queries of a GPU's driver


def machine() -> dict[str, float]:
    """Return memory in GiB of machine and process, and the percentage of cores busy since the last call."""
    return {
        "machine/memory_used_gib": (psutil.virtual_memory().total - psutil.virtual_memory().available) / GIB,
        "machine/this_process_gib": psutil.Process().memory_info().rss / GIB,
        "machine/cores_busy_percent": psutil.cpu_percent(None),
    }


class GpuMeter:
    """Memory and utilisation of a learner's GPU; nothing on a CPU."""

    def __init__(self, device: str) -> None:
        self.device, self.asked = torch.device(device), -GPU_SECONDS

    def read(self) -> dict[str, float]:
        """Return `gpu_memory_gib` reserved by torch and `gpu_busy_percent`, at most every `GPU_SECONDS`."""
        if self.device.type != "cuda" or time.monotonic() - self.asked < GPU_SECONDS:
            return {}
        self.asked = time.monotonic()
        found = {"gpu_memory_gib": torch.cuda.memory_reserved(self.device) / GIB}
        with contextlib.suppress(Exception):  # NVML's errors have no common class and must not end training
            found["gpu_busy_percent"] = float(torch.cuda.utilization(self.device))
        return found
