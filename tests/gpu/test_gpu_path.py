"""The GPU path on a machine without a GPU: devices of tensors, copies, and waits.

The simulated GPU cannot show speed, memory use or missing kernels.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.pretend import build

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_200),  # the first test compiles and runs all scenarios: a minute on an idle core
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ builds the simulated GPU, and is missing"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="shared libraries are those of Linux here"),
]
KINDS = ("dqn2013 scalar", "dqn2013 categorical", "dqn2015 scalar", "dqn2015 categorical", "mlp scalar")
KINDS += ("mlp categorical", "stem quantile", "impala histogram", "dqn2013 implicit", "tests.gpu.made:Torso scalar")
STACKS, BATCH = "agents/replay/lanes.py:_stacks", "agents/replay/transitions.py:to_device"
PRIORITY, LOOK = "agents/updates.py:priority_of", "agents/updates.py:look"


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run all scenarios and return their counts by name; a tensor on a wrong device fails the run."""
    library = build(tmp_path_factory.mktemp("gpu"))
    command = [sys.executable, "-W", "ignore", "-m", "tests.gpu.scenarios", str(library)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def of(counted: dict[str, Any], kind: str) -> tuple[dict[str, Any], bool]:
    """Return a scenario's counts, and whether its replay is prioritized."""
    (name,) = (name for name in counted if name.startswith(f"{kind} "))
    return counted[name], "prioritized" in name


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_moves_a_batch_once_and_waits_for_nothing(counted: dict[str, Any], kind: str) -> None:
    """An update copies its batch once and waits for nothing, except for priorities (in the sampling thread)."""
    found, prioritized = of(counted, kind)
    told = {PRIORITY: 1} if prioritized else {}
    assert found["here"]["update"] == {"copies": {STACKS: 1, BATCH: 4, **told}, "waits": told}
    assert found["host"]["update"] == {"copies": {BATCH: 6, **told}, "waits": told}
    for replay in ("here", "host"):  # metrics of one update per call: two numbers and two distributions
        assert found[replay]["call"] == {"copies": {LOOK: 2}, "waits": {LOOK: 4}}


def test_an_update_of_torques_waits_for_nothing(counted: dict[str, Any]) -> None:
    """CrossQ copies each batch once, in the training thread before its update, and waits for nothing."""
    batch = {STACKS: 1, BATCH: 4}
    assert counted["torques"]["update"] == {"copies": batch, "waits": {}}
    assert counted["torques"]["call"] == {"copies": {LOOK: 2}, "waits": {LOOK: 6}}


@pytest.mark.parametrize("kind", KINDS)
def test_what_enters_and_leaves_is_one_copy(counted: dict[str, Any], kind: str) -> None:
    found, _ = of(counted, kind)
    arrays = {"training/arrays.py:_on_cpu": 1}
    assert found["add"] == {"copies": {"agents/replay/lanes.py:write": 2}, "waits": {}}
    assert found["weights"] == {"copies": arrays, "waits": arrays}
    whole = {"training/arrays.py:_on_cpu": 4}  # three networks and Adam's state
    assert found["state"] == {"copies": whole, "waits": whole}
    acting = "agents/acting/policy.py:values"
    assert found["values"] == {"copies": {acting: 2}, "waits": {acting: 1}}


@pytest.mark.parametrize("kind", ["pqn", "cloning"])
def test_steps_that_are_counted_on_the_cpu_are_saved_without_a_copy(counted: dict[str, Any], kind: str) -> None:
    arrays = {"training/arrays.py:_on_cpu": 2}  # the network and the optimiser's state
    assert counted[kind]["state"] == {"copies": arrays, "waits": arrays}


@pytest.mark.parametrize(("kind", "layers"), [("dqn2013 categorical", 2), ("dqn2015 scalar", 3)])
def test_layer_norm_does_not_double_what_follows(counted: dict[str, Any], kind: str, layers: int) -> None:
    """Layer norms return bfloat16, although autocast computes them in float32 on a GPU."""
    assert of(counted, kind)[0]["norms"] == ["torch.bfloat16"] * layers


@pytest.mark.parametrize("penalty", ["r1r2", "gradient", "none"])
def test_a_step_of_a_gan_waits_for_nothing(counted: dict[str, Any], penalty: str) -> None:
    found, _ = of(counted, f"gan {penalty}")
    trainer = "gan/standard/trainer.py"
    between = {"gan/adversarial.py:gradient_penalty": 1} if penalty == "gradient" else {}
    assert found["step"] == {"copies": {f"{trainer}:real_batch": 2, f"{trainer}:latents": 2, **between}, "waits": {}}


def test_a_tensor_on_the_cpu_is_seen(counted: dict[str, Any]) -> None:
    for mistake in ("a tensor made on the CPU", "a batch left on the CPU"):
        assert "to be on the same device" in counted["controls"][mistake]["error"]


def test_noise_of_another_device_is_seen(counted: dict[str, Any]) -> None:
    assert counted["controls"]["noise drawn by the CPU"]["error"].startswith("a generator of the cpu")


def test_a_forgotten_look_is_seen(counted: dict[str, Any]) -> None:
    waits = counted["controls"]["a forgotten item()"]["update"]["waits"]
    assert waits == {PRIORITY: 1, "agents/dqn/learner.py:update": 1}


@pytest.mark.parametrize("mistake", ["a batch not waited for", "an update not waited for"])
def test_streams_that_do_not_wait_for_each_other_are_seen(counted: dict[str, Any], mistake: str) -> None:
    assert counted["controls"][mistake]["error"].startswith("a race of 2 streams")
