"""Settings of the learning core's tests."""

from __future__ import annotations

import torch

# Sums of floats depend on how many threads share them: one thread everywhere makes runs comparable bit for bit.
torch.set_num_threads(1)
