"""Devices and precisions: `auto` is the faster precision, decided in every process, on any processor."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from training import device as device_module
from training.device import (
    autocast,
    bf16_cost,
    check_device,
    resolve_device,
    resolve_precision,
    said_precision,
    usable_gpu,
    used_precision,
)

ROOT = Path(__file__).parents[2]
OLDER = {"ONEDNN_MAX_CPU_ISA": "AVX2"}  # makes oneDNN omit the instructions of newer processors
X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="no other processor can be made to look older")
KERNEL = re.compile(r"exec,cpu,(convolution|deconvolution|inner_product|matmul),([^,]+),.*?(f32|bf16)")
STEP = """
import dataclasses
import numpy as np
import torch
from agents.dqn.learner import Learner
from agents.dqn.presets import {preset} as preset
from agents.acting.policy import QPolicy
from tests.specs import spec_of
from agents.replay.transitions import Batch

s = preset()
s = dataclasses.replace(s.learner, precision="{precision}", device="cpu", batch_size=4), s.network
obs = torch.zeros(4, 441, s[1].stack, 16, dtype=torch.uint8)
fields = dict(action=torch.zeros(4, dtype=torch.int64), reward=torch.zeros(4, 1), discount=torch.ones(4))
keys = dict(priority=torch.ones(4), key=np.zeros(4, np.int64), version=np.zeros(4, np.int32), prioritized=False)
learner = Learner(*s, spec_of(actions=6), seed=0)
learner.update(Batch(obs=obs, next_obs=obs, **fields, **keys))
QPolicy(learner.online, precision="{precision}").values(obs.numpy())
"""
GAN_STEP = """
import dataclasses
from training.settings import changed
from gan.data.images import load
from gan.standard.presets import {preset} as preset
from gan.standard.trainer import Trainer

settings = changed(preset(), {{"training.precision": "{precision}", "training.batch_size": 4}})
Trainer(settings, load(settings.data)).step()
"""
SAID = "from training.device import *; print(said_precision('auto', 'cpu'), '|', said_precision('bf16', 'cpu'))"
PRESETS = {"pong": STEP, "atari": STEP, "catch": STEP, "digits": GAN_STEP, "stacked": GAN_STEP}
PROGRAMS = {preset: step.format(preset=preset, precision="auto") for preset, step in PRESETS.items()}
ON_AN_OLDER_ONE = {
    **{precision: STEP.format(preset="pong", precision=precision) for precision in ("fp32", "bf16")},
    "said": SAID,
}
ONE_BY_ONE = """
import ctypes, json, sys
from training.device import bf16_cost
for program in json.loads(sys.argv[1]):
    bf16_cost.cache_clear()  # each decides for itself
    exec(program, {})
    ctypes.CDLL(None).fflush(None)  # oneDNN prints past Python
    print("END", flush=True)
"""


@cache
def printed(older: bool) -> dict[str, str]:
    """Return each program's output with oneDNN's log, in a new interpreter, on this processor or as on an older one."""
    programs = {**PROGRAMS, **ON_AN_OLDER_ONE} if older else PROGRAMS
    command = [sys.executable, "-c", ONE_BY_ONE, json.dumps([*programs.values()])]
    env = {**os.environ, **(OLDER if older else {}), "ONEDNN_VERBOSE": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(programs, done.stdout.split("END\n"), strict=False))


def kernels(log: str) -> list[tuple[str, str]]:
    """Return (operation, implementation) of every convolution and product in oneDNN's log of a program."""
    return [(found[1], found[2]) for found in KERNEL.finditer(log)]


def is_reference(implementation: str) -> bool:
    """Return whether a kernel is oneDNN's slow reference loop and not made for the processor."""
    return "ref" in implementation or "simple" in implementation


@pytest.mark.slow
@pytest.mark.parametrize(
    "older", [pytest.param(False, id="this processor"), pytest.param(True, id="an older one", marks=X86)]
)
@pytest.mark.parametrize("preset", PRESETS)
def test_no_reference_kernel_runs_in_the_presets(preset: str, older: bool) -> None:
    """By oneDNN's log, a training step of a preset runs no reference kernel."""
    chosen = kernels(printed(older=older)[preset])
    assert sum(operation in ("convolution", "deconvolution") for operation, _ in chosen) >= 4
    assert [kernel for kernel in chosen if is_reference(kernel[1])] == []


@X86
@pytest.mark.slow
def test_bf16_where_it_is_missing_leaves_the_fast_kernels() -> None:
    """The log shows a slow choice: on an older processor bf16 runs no fast oneDNN convolution, float32 runs some."""
    found = (kernels(printed(older=True)[precision]) for precision in ("fp32", "bf16"))
    fast, slow = ([kernel for kernel in used if kernel[0] == "convolution"] for used in found)
    assert any(not is_reference(kernel[1]) for kernel in fast)
    assert all(is_reference(kernel[1]) for kernel in slow)


@X86
@pytest.mark.slow
def test_an_older_processor_computes_in_float32_and_says_what_bf16_would_cost() -> None:
    auto, asked = printed(older=True)["said"].splitlines()[-1].split("|")
    assert auto.strip() == "fp32 (auto)"
    assert re.fullmatch(
        r"bf16, which takes \d+\.\d times as long as fp32 on this processor: .* would use fp32", asked.strip()
    )


@pytest.mark.parametrize(("cost", "used"), [(0.5, "bf16"), (1.7, "fp32")])
def test_auto_is_the_faster_one_and_everything_else_is_obeyed(monkeypatch: Any, cost: float, used: str) -> None:
    monkeypatch.setattr("training.device.bf16_cost", lambda kind: cost)
    assert resolve_precision("auto", "cpu") == used_precision("auto", "cpu") == used
    assert resolve_precision("bf16", "cpu") == "bf16"
    assert resolve_precision("fp32", "cpu") == "fp32"
    with autocast("cpu", "auto"):
        assert torch.is_autocast_enabled("cpu") == (used == "bf16")
    with autocast("cpu", "fp32"):
        assert not torch.is_autocast_enabled("cpu")
    assert said_precision("fp32", "cpu") == "fp32"
    assert ("times as long" in said_precision("bf16", "cpu")) == (cost > 1)


def test_a_process_decides_once_and_leaves_threads_and_chance_alone() -> None:
    """The cost is measured once per process, and changes neither torch's threads nor its random state."""
    bf16_cost.cache_clear()
    threads, chance = torch.get_num_threads(), torch.random.get_rng_state()
    with torch.inference_mode():  # an actor may be the first caller
        cost = bf16_cost("cpu")
    assert cost > 0
    assert bf16_cost("cpu") == cost
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), chance)


@pytest.mark.parametrize(("native", "used"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_is_asked(monkeypatch: Any, native: bool, used: str) -> None:
    """On a GPU `auto` is bf16 only with native support; emulation by older GPUs does not count."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    bf16_cost.cache_clear()
    assert resolve_precision("auto", "cuda:0") == used_precision("auto", "auto") == used
    bf16_cost.cache_clear()


def test_devices(monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto", "learner.device") == resolve_device("cpu", "learner.device") == "cpu"
    with pytest.raises(ValueError, match=r"learner\.device cuda is not on this machine: use cpu or auto"):
        resolve_device("cuda", "learner.device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto", "learner.device") == "cuda"
    assert resolve_device("cuda", "learner.device") == "cuda"
    assert resolve_device("cuda:1", "learner.device") == "cuda:1"
    with pytest.raises(ValueError, match=r"learner\.device cuda:2 is not on this machine: use cpu or auto"):
        resolve_device("cuda:2", "learner.device")


@pytest.mark.parametrize(
    ("made", "gpu", "usable"),
    [
        ("sm_75 sm_80 sm_86 sm_90", (8, 0), True),
        ("sm_75 sm_80 sm_86 sm_90", (8, 9), True),
        ("sm_75 sm_80 sm_86 sm_90", (6, 1), False),
        ("sm_75 sm_80 sm_86 sm_90", (12, 0), False),
        ("sm_75 sm_90a compute_90", (12, 0), True),
        ("sm_86", (8, 0), False),
        ("sm_100 sm_120 compute_120", (9, 0), False),
        ("gfx90a gfx942", (9, 0), True),
        ("", (9, 0), True),
    ],
)
def test_auto_takes_no_gpu_without_kernels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], made: str, gpu: tuple[int, int], usable: bool
) -> None:
    """Without kernels for the GPU `auto` is the CPU and the reason is printed once; `cuda` is still the GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_arch_list", made.split)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: gpu)
    monkeypatch.setattr(device_module, "_has_kernels", cache(device_module._has_kernels.__wrapped__))
    assert usable_gpu() == usable
    assert resolve_device("auto", "learner.device") == ("cuda" if usable else "cpu")
    assert resolve_device("cuda", "learner.device") == "cuda"
    said = f"no kernels for a GPU of compute capability {gpu[0]}.{gpu[1]}, so device auto is the CPU"
    assert capsys.readouterr().err.count(said) == (not usable)


def test_a_device_is_named_as_torch_names_it() -> None:
    for device in ("auto", "cpu", "cuda", "cuda:12"):
        check_device("learner", device)
    for device in ("cuda1", "cuda:", "cuda:-1", "cpu:0", "gpu"):
        with pytest.raises(ValueError, match=rf"learner\.device is '{device}': use auto, cpu or cuda"):
            check_device("learner", device)
