"""Earlier fakes, which the discriminators are shown in turn (Shrivastava et al. 2017, section 2.3)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Pool:
    """Up to `size` images. A discriminator that sees the newest alone forgets, and both players go round in circles."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def exchange(self, fakes: Tensor, rng: torch.Generator) -> Tensor:
        """New fakes [B, C, H, W] -> as many to show: a new one or, half of the time, an earlier one in its place.

        Until the pool is full, new ones are put in and shown.
        """
        shown = []
        for fake in fakes:
            if len(self.images) < self.size:
                self.images.append(fake)
                shown.append(fake)
                continue
            kept = int(torch.randint(2 * max(self.size, 1), (), generator=rng))
            if kept < self.size:  # half of 2 x size: which one, too
                fake, self.images[kept] = self.images[kept], fake
            shown.append(fake)
        return torch.stack(shown)

    def state(self) -> NDArray[np.float32]:
        """What `load_state` needs: [n, C, H, W]; [0] of an empty pool."""
        return torch.stack(self.images).cpu().numpy() if self.images else np.zeros(0, np.float32)

    def load_state(self, images: NDArray[np.float32], device: str) -> None:
        """Inverse of `state`."""
        self.images = list(torch.from_numpy(np.array(images)).to(device))
