"""What keeps a process fast: memory that it has, and an allocator that keeps what it was given."""

from __future__ import annotations

import ctypes
import sys

import psutil
import torch

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


def keep_freed_memory() -> None:
    """Ask glibc to reuse large blocks instead of returning them to the kernel after every tensor.

    Otherwise each update of batch 256 faults tens of MB of pages in again. Elsewhere than on glibc this does nothing.
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
    """Refuse before anything is allocated.

    Raises:
        ValueError: `needed` bytes are more than this machine has free, or its GPU `device`.
    """
    gpu = device.startswith("cuda")
    free = torch.cuda.mem_get_info(device)[0] if gpu else psutil.virtual_memory().available
    if needed > free:
        where = f" on {device}" if gpu else ""
        said = f"{purpose} needs {needed / 2**30:.1f} GiB{where}, and {free / 2**30:.1f} GiB are free"
        raise ValueError(f"{said}: {remedy}")
