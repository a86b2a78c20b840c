"""Provenance of results: command, code, libraries and machine."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

MATTER = {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}


def process_seconds() -> float:
    """Return the wall-clock seconds since this process was started, including imports."""
    return time.time() - float(psutil.Process().create_time())


def origin() -> dict[str, Any]:
    """Return command, commit, versions of libraries, and hardware."""
    names = ("ray", "torch", "gymnasium", "ale-py", "numpy")
    return {
        "command": shlex.join(["quarterdeck", *sys.argv[1:]]),
        "commit": os.environ.get("QUARTERDECK_COMMIT") or commit_of(Path(__file__).parent),  # jobs have no .git
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "hardware": hardware(),
    }


def hardware() -> dict[str, Any]:
    """Return processor, its instruction sets that matter for networks, cores, memory and GPUs."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0  # else unusable ones count
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "instructions": sorted(set(_cpuinfo("flags").split()) & MATTER),
        "instructions_limit": os.environ.get("ONEDNN_MAX_CPU_ISA"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": [torch.cuda.get_device_name(index) for index in range(gpus)],
    }


def _cpuinfo(field: str) -> str:
    """Return a field of the first core in /proc/cpuinfo; empty if there is none."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")
    return ""


def commit_of(folder: Path) -> str:
    """Return the commit of the code in `folder`, with "-dirty" if changed; the version if it is in no repository."""
    git = ["git", "-C", str(folder)]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):  # no git, or no repository
        # Fails if a repository around the environment does not track these files.
        _output(*git, "ls-files", "--error-unmatch", ".")
        return _output(*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        return f"version {version('quarterdeck')}"
    except PackageNotFoundError:
        return "unknown"


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
