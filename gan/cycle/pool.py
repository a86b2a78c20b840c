"""A buffer of earlier fakes for discriminator updates (Shrivastava et al. 2017, section 2.3)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Pool:
    """Up to `size` images. A discriminator trained on the newest only forgets earlier ones, and training oscillates."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def exchange(self, fakes: Tensor, rng: torch.Generator) -> Tensor:
        """Return each fake of [B, C, H, W] or, with probability 1/2, an earlier one, which it replaces in the pool.

        Until the pool is full, fakes are stored and returned.
        """
        shown = []
        for fake in fakes:
            if len(self.images) < self.size:
                self.images.append(fake.clone())  # a view of a row would keep the whole batch
                shown.append(fake)
                continue
            kept = int(torch.randint(2 * max(self.size, 1), (), generator=rng))
            if kept < self.size:  # one draw for both: with probability 1/2, and which one
                fake, self.images[kept] = self.images[kept], fake.clone()
            shown.append(fake)
        return torch.stack(shown)

    def state(self) -> NDArray[np.float32]:
        """Return the images [n, C, H, W]; an array of shape [0] for an empty pool."""
        return torch.stack(self.images).cpu().numpy() if self.images else np.zeros(0, np.float32)

    def load_state(self, images: NDArray[np.float32], device: str) -> None:
        """Restore `state`."""
        self.images = list(torch.from_numpy(np.array(images)).to(device))
