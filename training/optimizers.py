"""torch's optimisers without the import of its compiler, which takes 1.4 s and 70 MB per process."""

from __future__ import annotations

from inspect import unwrap
from typing import TypeVar

import torch
from torch.optim import Optimizer

Kind = TypeVar("Kind", bound=Optimizer)
DECORATED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def uncompiled(kind: type[Kind]) -> type[Kind]:
    """Return a subclass without the decorators that import `torch._dynamo`.

    They only matter inside `torch.compile`; `no_grad`, which one of them includes, is added again.
    """
    methods = {name: unwrap(getattr(kind, name)) for name in DECORATED}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(unwrap(kind.step))})


Adam = uncompiled(torch.optim.Adam)
RAdam = uncompiled(torch.optim.RAdam)
