"""How much of a machine a run takes."""

from __future__ import annotations

import contextlib
import time

import psutil
import torch

GIB = float(2**30)
GPU_SECONDS = 5.0  # between two questions to the driver of a GPU


def machine() -> dict[str, float]:
    """Memory in GiB of the machine and of this process, and the share of all cores since the last call."""
    return {
        "machine/memory_used_gib": (psutil.virtual_memory().total - psutil.virtual_memory().available) / GIB,
        "machine/this_process_gib": psutil.Process().memory_info().rss / GIB,
        "machine/cores_busy_percent": psutil.cpu_percent(None),
    }


class GpuMeter:
    """Memory and use of a learner's GPU now and then; nothing on a CPU."""

    def __init__(self, device: str) -> None:
        self.device, self.asked = torch.device(device), -GPU_SECONDS

    def read(self) -> dict[str, float]:
        """`gpu_memory_gib` that torch has reserved and `gpu_busy_percent`, every five seconds; else nothing."""
        if self.device.type != "cuda" or time.monotonic() - self.asked < GPU_SECONDS:
            return {}
        self.asked = time.monotonic()
        found = {"gpu_memory_gib": torch.cuda.memory_reserved(self.device) / GIB}
        with contextlib.suppress(Exception):  # NVML's errors derive from nothing narrower, and end no training
            found["gpu_busy_percent"] = float(torch.cuda.utilization(self.device))
        return found
