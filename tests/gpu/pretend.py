"""A simulated GPU for torch's CPU build: call `load` before the first import of torch, and `believe` after it."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LIBRARIES = ("libtorch_global_deps.so", "libc10.so", "libtorch_cpu.so")  # in dependency order


def _torch_folder() -> Path:
    spec = find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def build(folder: Path) -> Path:
    """Compile the simulated GPU into `folder` (takes some seconds); return the library's path."""
    made, torch_folder = folder / "pretend.so", _torch_folder()
    source = Path(__file__).with_name("pretend.cpp")
    include, libraries = torch_folder / "include", torch_folder / "lib"
    command = ["g++", "-std=c++20", "-O0", "-shared", "-fPIC", str(source), "-o", str(made), f"-I{include}"]
    subprocess.run([*command, f"-L{libraries}", "-lc10", "-ltorch_cpu"], check=True, capture_output=True, text=True)
    return made


def load(library: Path) -> None:
    """Load the simulated GPU's library so that torch finds it."""
    assert "torch" not in sys.modules, "too late: torch has looked already"
    for name in LIBRARIES:
        ctypes.CDLL(str(_torch_folder() / "lib" / name), ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)


def believe() -> None:
    """Patch torch's Python functions that query a GPU, and those that move or copy tensors without memory."""
    import torch
    from torch import Tensor, nn

    cuda: Any = torch.cuda
    cuda.is_available = lambda: True
    cuda.device_count = lambda: 1
    cuda.is_bf16_supported = lambda including_emulation=True: True
    cuda.mem_get_info = lambda device=None: (1 << 30, 1 << 30)
    cuda.amp.common.amp_definitely_not_available = lambda: False

    def moved(module: nn.Module, device: str | None = None, memory_format: Any = torch.preserve_format) -> nn.Module:
        for part in module.modules():
            for tensors in (part._parameters, part._buffers):
                for name, tensor in tensors.items():
                    if tensor is None:
                        continue
                    layout = memory_format if tensor.ndim == 4 else torch.preserve_format  # as torch's own does
                    fresh = tensor.detach().to(device or tensor.device, memory_format=layout)
                    learns = isinstance(tensor, nn.Parameter)
                    tensors[name] = nn.Parameter(fresh, tensor.requires_grad) if learns else fresh
        return module

    def copied(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
        fresh = tensor.detach().clone()
        memo[id(tensor)] = found = (
            nn.Parameter(fresh, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else fresh
        )
        return found

    patched: Any = nn.Module
    patched.to = moved
    patched = Tensor
    patched.__deepcopy__ = copied
