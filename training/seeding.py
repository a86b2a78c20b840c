"""torch's global generator for a while, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Inside, what torch draws on the CPU by itself, such as a new network's weights, follows from the seed alone.

    Afterwards its generator goes on as if nothing had been drawn. Those of GPUs are seeded, too, and stay so.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
