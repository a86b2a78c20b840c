"""Where networks compute, and how precisely: what `auto` stands for in this process.

Whether a processor has bfloat16 instructions says little: on some that have them, and on all that have not, float32 is
faster (up to ten times). So both are tried, once in every process, since the machines of a cluster differ.
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
KERNELS = re.compile(r"(sm|compute)_(\d+)(\d)")  # as torch names what it was built for; sm_90 is version 9.0
_ASKING = Lock()  # threads that try at once would disturb each other, and might find different answers


def resolve_device(device: str, setting: str) -> str:
    """The device that `auto` stands for here: a GPU where there is one that torch has kernels for.

    Args:
        device: auto, cpu, cuda or cuda:N.
        setting: its name, for the error.

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
    """Whether there is a GPU here for which this torch has kernels; says so once where it has none.

    The GPU computes nothing for an answer, which would take some of its memory in processes that do not train.
    """
    return torch.cuda.is_available() and _has_kernels()


@cache
def _has_kernels() -> bool:
    """Kernels run on GPUs of their own major version that are not older, the source of kernels on all newer ones."""
    named = KERNELS.findall(" ".join(torch.cuda.get_arch_list()))
    made = [(kind, (int(major), int(minor))) for kind, major, minor in named]
    if not made:  # for no GPUs of NVIDIA's
        return True
    major, minor = torch.cuda.get_device_capability()
    if any(least <= (major, minor) and (kind == "compute" or least[0] == major) for kind, least in made):
        return True
    say(f"this torch has no kernels for a GPU of compute capability {major}.{minor}, so device auto is the CPU")
    return False


def check_device(section: str, device: str) -> None:
    """For `__post_init__` of settings that stand at `section`.

    Raises:
        ValueError: there is no such kind of device; the line says which there are.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ValueError(f"{section}.device is {device!r}: use auto, cpu or cuda (cuda:1 is the second one)")


def moved(tensor: Tensor, device: str) -> Tensor:
    """The tensor on `device`; on its way to a GPU it is pinned, so that nobody waits for the copy."""
    if tensor.device.type == "cpu" and device.startswith("cuda"):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def resolve_precision(precision: Precision, device: str) -> Literal["bf16", "fp32"]:
    """The precision that `auto` stands for in this process: bf16 where it is the faster one."""
    if precision != "auto":
        return precision
    with _ASKING:
        return "bf16" if bf16_cost(torch.device(device).type) < 1 else "fp32"


def autocast(device: str, precision: Precision) -> torch.autocast:
    """A context in which networks compute in the resolved precision; parameters and losses stay float32."""
    bf16 = resolve_precision(precision, device) == "bf16"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16)


@cache
def bf16_cost(kind: str) -> float:
    """Time that a training step takes in bf16, as a multiple of its time in fp32, on this processor or kind of device.

    A GPU is asked instead of timed: 0 where it has bf16 of its own, else infinity.
    """
    if kind != "cpu":
        return 0.0 if torch.cuda.is_bf16_supported(including_emulation=False) else float("inf")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the time of one thread is what can be told apart from other programs'
    try:
        for bf16 in (False, True):
            _step_seconds(bf16)  # oneDNN builds its kernels
        return min(_step_seconds(True) for _ in range(TRIES)) / min(_step_seconds(False) for _ in range(TRIES))
    finally:
        torch.set_num_threads(threads)


def _step_seconds(bf16: bool) -> float:
    """Processor time of this thread for one small forward and backward pass."""
    with torch.inference_mode(False), torch.enable_grad():
        obs = torch.ones(BATCH, CHANNELS, SIDE, SIDE).to(memory_format=torch.channels_last)
        kernel = torch.ones(OUT, CHANNELS, KERNEL, KERNEL, requires_grad=True)
        started = time.thread_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = F.conv2d(obs, kernel, stride=STRIDE)
        torch.autograd.grad(out.float().sum(), kernel)
        return time.thread_time() - started


def used_precision(precision: Precision, device: str) -> Literal["bf16", "fp32"]:
    """The precision of this process, where `device` may be one that only other machines have."""
    return resolve_precision(precision, _kind_here(device))


def said_precision(precision: Precision, device: str) -> str:
    """`used_precision` in words, with a warning where bf16 was asked for and is the slower one."""
    used, kind = used_precision(precision, device), _kind_here(device)
    if precision == "auto":
        return f"{used} (auto)"
    if used == "bf16" and kind == "cpu" and (cost := bf16_cost(kind)) > 1:
        return f"bf16, which takes {cost:.1f} times as long as fp32 on this processor: precision auto would use fp32"
    return used


def _kind_here(device: str) -> str:
    return "cuda" if device != "cpu" and usable_gpu() else "cpu"
