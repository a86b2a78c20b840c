"""What a network leaves to chance, as a generator that follows from numbers: nothing of it has to be saved."""

from __future__ import annotations

import numpy as np
import torch


def make_generator(device: str, *numbers: int) -> torch.Generator:
    """A generator on `device` whose draws follow from the numbers alone, each of them 0 or more."""
    seed = np.random.SeedSequence(numbers).generate_state(1)[0]  # of 32 bits, all that torch uses on a CPU
    return torch.Generator(device).manual_seed(int(seed))
