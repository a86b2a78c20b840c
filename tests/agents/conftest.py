"""Configure the tests of the learning core."""

from __future__ import annotations

import torch

# Sums of floats depend on the number of threads: one thread everywhere makes runs comparable bit for bit.
torch.set_num_threads(1)
