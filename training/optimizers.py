"""torch's optimisers without its compiler, which they import and do not use here: 1.4 s and 70 MB of every process."""

from __future__ import annotations

from inspect import unwrap
from typing import TypeVar

import torch
from torch.optim import Optimizer

Kind = TypeVar("Kind", bound=Optimizer)
DECORATED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def uncompiled(kind: type[Kind]) -> type[Kind]:
    """The same optimiser, whose methods lack the decorators that import `torch._dynamo`.

    These only matter inside `torch.compile`; that a step leaves no gradients behind is said here once more.
    """
    methods = {name: unwrap(getattr(kind, name)) for name in DECORATED}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(unwrap(kind.step))})


Adam = uncompiled(torch.optim.Adam)
RAdam = uncompiled(torch.optim.RAdam)
