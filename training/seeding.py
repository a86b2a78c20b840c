"""Temporary seeding of torch's global generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Seed torch's global generator in a block, for example to initialise a network.

    The CPU generator's state is restored afterwards; GPU generators are seeded, too, and not restored.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
