"""Optimisers without torch's compiler take torch's steps to the last bit and load nothing of the compiler."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.cluster.helpers import run_program
from training import optimizers

KINDS: list[tuple[str, dict[str, Any]]] = [("Adam", {"fused": True}), ("Adam", {}), ("RAdam", {})]
PROGRAM = """
import sys
import torch
from training.optimizers import Adam, RAdam
for kind in (Adam, RAdam):
    weight = torch.ones(3, requires_grad=True)
    optimizer = kind([weight], 0.1)
    optimizer.zero_grad()
    (weight * weight).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.add_param_group({"params": [torch.ones(2, requires_grad=True)]})
assert not {"torch._dynamo", "torch._inductor"} & sys.modules.keys()
class Wanted(Exception):
    pass
class Finder:  # that torch's own asks for it is enough: loading it takes seconds
    def find_spec(self, name, path=None, target=None):
        if name == "torch._dynamo":
            raise Wanted
sys.meta_path.insert(0, Finder())
try:
    torch.optim.Adam([weight])
except Wanted:
    sys.exit()
raise AssertionError("torch's own no longer loads it: training/optimizers.py can go")
"""


def steps(kind: Any, options: dict[str, Any], count: int) -> list[Tensor]:
    """Return a small network's weights after `count` steps, the second half by an optimiser with a loaded state."""
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(16, 5)
    optimizer = kind(network[0].parameters(), 0.01, **options)
    optimizer.add_param_group({"params": network[2].parameters(), "lr": 0.1})
    for index in range(count):
        if index == count // 2:
            before, optimizer = optimizer.state_dict(), kind(network[0].parameters(), 1.0, **options)
            optimizer.add_param_group({"params": network[2].parameters()})
            optimizer.load_state_dict(before)
        optimizer.zero_grad(set_to_none=True)
        network(x).square().mean().backward()
        optimizer.step()
        assert torch.is_grad_enabled()
    return [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_steps_are_torchs_own(name: str, options: dict[str, Any]) -> None:
    ours, theirs = (steps(getattr(module, name), options, 10) for module in (optimizers, torch.optim))
    assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))


def test_a_closure_has_gradients() -> None:
    weight = torch.ones(3, requires_grad=True)
    optimizer = optimizers.Adam([weight], 0.1)

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = weight.square().sum()
        found.backward()
        return found

    assert optimizer.step(loss) == 3
    assert (weight < 1).all()


def test_nothing_of_the_compiler_is_loaded() -> None:
    done = run_program(PROGRAM)
    assert done.returncode == 0, done.stderr
