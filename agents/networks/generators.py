"""Random generators that are functions of integers only, so that checkpoints need not hold their state."""

from __future__ import annotations

import numpy as np
import torch


def make_generator(device: str, *numbers: int) -> torch.Generator:
    """Return a generator on `device` seeded by non-negative `numbers`."""
    seed = np.random.SeedSequence(numbers).generate_state(1)[0]  # 32 bits: torch ignores the others on a CPU
    return torch.Generator(device).manual_seed(int(seed))
