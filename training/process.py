"""Memory of a process: checks of free memory, and settings of the allocator."""

from __future__ import annotations

import ctypes
import sys

import psutil
import torch

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


def keep_freed_memory() -> None:
    """Make glibc reuse large blocks instead of returning them to the kernel.

    Otherwise each update with batch 256 page-faults tens of MB. Does nothing without glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl
        return
    for option, value in ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, 1 << 30), (_M_TOP_PAD, 64 << 20)):
        mallopt(option, value)


def require_memory(needed: int, purpose: str, remedy: str, device: str = "cpu") -> None:
    """Check free memory before an allocation.

    Raises:
        ValueError: this machine, or its GPU `device`, has less than `needed` bytes free.
    """
    gpu = device.startswith("cuda")
    free = torch.cuda.mem_get_info(device)[0] if gpu else psutil.virtual_memory().available
    if needed > free:
        where = f" on {device}" if gpu else ""
        said = f"{purpose} needs {needed / 2**30:.1f} GiB{where}, and {free / 2**30:.1f} GiB are free"
        raise ValueError(f"{said}: {remedy}")
