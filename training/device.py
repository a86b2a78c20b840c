"""Device and precision of networks, and their `auto` values.

bfloat16 instructions alone do not decide: on some processors with them, and all without, float32 is faster (up to ten
times). So `auto` times both, once in every process, since machines of a cluster differ.
"""

from __future__ import annotations

import re
import time
from functools import cache
from threading import Lock
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from training.messages import say

Precision = Literal["auto", "bf16", "fp32"]
BATCH, CHANNELS, SIDE, OUT, KERNEL, STRIDE = 32, 32, 20, 64, 4, 2  # the second convolution of the 2015 network
TRIES = 3
KERNELS = re.compile(r"(sm|compute)_(\d+)(\d)")  # torch's names of build targets; sm_90 is version 9.0
_ASKING = Lock()  # concurrent timings would disturb each other


def resolve_device(device: str, setting: str) -> str:
    """Return the device, with `auto` resolved to a GPU if there is one with kernels in this torch.

    Args:
        device: auto, cpu, cuda or cuda:N.
        setting: name of the setting, for the error.

    Raises:
        ValueError: the named device is not on this machine.
    """
    if device == "auto":
        return "cuda" if usable_gpu() else "cpu"
    if device.startswith("cuda"):
        _, _, index = device.partition(":")
        if not torch.cuda.is_available() or (index and int(index) >= torch.cuda.device_count()):
            raise ValueError(f"{setting} {device} is not on this machine: use cpu or auto")
    return device


def usable_gpu() -> bool:
    """Return whether there is a GPU with kernels in this torch; prints a message once if it has none.

    Does not create a CUDA context, which would take GPU memory in processes that do not train.
    """
    return torch.cuda.is_available() and _has_kernels()


@cache
def _has_kernels() -> bool:
    """Return whether this torch has binaries of the GPU's major version, not newer than it, or older PTX."""
    named = KERNELS.findall(" ".join(torch.cuda.get_arch_list()))
    made = [(kind, (int(major), int(minor))) for kind, major, minor in named]
    if not made:  # not built for NVIDIA GPUs
        return True
    major, minor = torch.cuda.get_device_capability()
    if any(least <= (major, minor) and (kind == "compute" or least[0] == major) for kind, least in made):
        return True
    say(f"this torch has no kernels for a GPU of compute capability {major}.{minor}, so device auto is the CPU")
    return False


def check_device(section: str, device: str) -> None:
    """Check a device setting, in `__post_init__`.

    Raises:
        ValueError: the name is invalid.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ValueError(f"{section}.device is {device!r}: use auto, cpu or cuda (cuda:1 is the second one)")


def moved(tensor: Tensor, device: str) -> Tensor:
    """Move a tensor to `device`; copies to a GPU are pinned and asynchronous."""
    if tensor.device.type == "cpu" and device.startswith("cuda"):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def resolve_precision(precision: Precision, device: str) -> Literal["bf16", "fp32"]:
    """Return the precision, with `auto` resolved to bf16 if it is faster in this process."""
    if precision != "auto":
        return precision
    with _ASKING:
        return "bf16" if bf16_cost(torch.device(device).type) < 1 else "fp32"


def autocast(device: str, precision: Precision) -> torch.autocast:
    """Return the autocast context of the resolved precision; parameters and losses stay float32."""
    bf16 = resolve_precision(precision, device) == "bf16"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16)


@cache
def bf16_cost(kind: str) -> float:
    """Return the time of a training step in bf16 relative to fp32, on this kind of device.

    A GPU is not timed: 0 if it supports bf16 natively, else infinity.
    """
    if kind != "cpu":
        return 0.0 if torch.cuda.is_bf16_supported(including_emulation=False) else float("inf")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # thread time excludes other programs
    try:
        for bf16 in (False, True):
            _step_seconds(bf16)  # warm-up: oneDNN compiles its kernels
        return min(_step_seconds(True) for _ in range(TRIES)) / min(_step_seconds(False) for _ in range(TRIES))
    finally:
        torch.set_num_threads(threads)


def _step_seconds(bf16: bool) -> float:
    """Return the CPU seconds of this thread for a small forward and backward pass."""
    with torch.inference_mode(False), torch.enable_grad():
        obs = torch.ones(BATCH, CHANNELS, SIDE, SIDE).to(memory_format=torch.channels_last)
        kernel = torch.ones(OUT, CHANNELS, KERNEL, KERNEL, requires_grad=True)
        started = time.thread_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = F.conv2d(obs, kernel, stride=STRIDE)
        torch.autograd.grad(out.float().sum(), kernel)
        return time.thread_time() - started


def used_precision(precision: Precision, device: str) -> Literal["bf16", "fp32"]:
    """Return the precision in this process; `device` may exist on other machines only."""
    return resolve_precision(precision, _kind_here(device))


def said_precision(precision: Precision, device: str) -> str:
    """Return `used_precision` as text, with a warning if bf16 was requested and is slower."""
    used, kind = used_precision(precision, device), _kind_here(device)
    if precision == "auto":
        return f"{used} (auto)"
    if used == "bf16" and kind == "cpu" and (cost := bf16_cost(kind)) > 1:
        return f"bf16, which takes {cost:.1f} times as long as fp32 on this processor: precision auto would use fp32"
    return used


def _kind_here(device: str) -> str:
    return "cuda" if device != "cpu" and usable_gpu() else "cpu"
