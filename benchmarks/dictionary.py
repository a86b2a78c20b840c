"""Enlarging frames by looking them up: the true squares that lay around the most similar samples in training frames.

Sprites of a game repeat, so this is what a network has to beat.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from gan.data.images import Pixels
from gan.upscale.lowering import JITTER, SCALE, clips, lower, stacked, woven

AROUND = {1: 2, 4: 1}  # low pixels on each side of one, by frames seen: 5x5 samples, or 3x3 squares of four
MOST = 20_000  # entries for each of the four times


class Dictionary:
    """Samples around each low pixel -> the square of 2x2 true pixels there, one book for each of the four places."""

    def __init__(self, images: Pixels, frames: int, seen: int, k: int = 1, seed: int = 0) -> None:
        self.frames, self.seen, self.k = frames, seen, k
        truth = torch.from_numpy(images)
        keys, squares = self.keys(lower(truth, frames)), F.pixel_unshuffle(clips(truth, frames).flatten(0, 1), SCALE)
        values = squares.view(len(images), frames, *squares.shape[1:]).permute(0, 1, 3, 4, 2)
        rng = np.random.default_rng(seed)
        self.books = []
        for place in range(len(JITTER)):
            rows = np.concatenate([keys[place], values[:, self.times(place)].reshape(-1, values.shape[-1]).numpy()], 1)
            known = np.unique(rows, axis=0)
            known = known[rng.permutation(len(known))[:MOST]]
            width = keys[place].shape[1]
            self.books.append(
                (NearestNeighbors(n_neighbors=k).fit(known[:, :width].astype(np.float32)), known[:, width:])
            )

    def times(self, place: int) -> list[int]:
        """Frames of a clip at which this place is sampled, those left out before which too few were seen."""
        return [t for t in range(len(JITTER) - 1, self.frames) if t % len(JITTER) == place]

    def keys(self, small: Tensor) -> list[NDArray[np.uint8]]:
        """For each place the samples around every low pixel [n, D] of small clips uint8 [N, T, C, h, w]."""
        around = AROUND[self.seen]
        last = woven(small, self.seen) if self.seen > 1 else small
        found = []
        for place in range(len(JITTER)):
            shown = last[:, self.times(place)].flatten(0, 1)
            side = F.pad(shown.float(), [around] * 4, mode="replicate").to(torch.uint8)
            windows = side.unfold(2, 2 * around + 1, 1).unfold(3, 2 * around + 1, 1)
            found.append(windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2).numpy())
        return found

    def upscaled(self, small: Pixels) -> Pixels:
        """Small clips uint8 [N, T, C, h, w] -> uint8 [N, C, T 2h, 2w]; frames of no book are black."""
        count, _, colours, height, width = small.shape
        found = np.zeros((count, self.frames, height, width, colours * SCALE**2), np.uint8)
        for place, (keys, (book, values)) in enumerate(
            zip(self.keys(torch.from_numpy(small)), self.books, strict=True)
        ):
            if not self.times(place):
                continue
            asked, back = np.unique(keys, axis=0, return_inverse=True)
            index = book.kneighbors(asked.astype(np.float32), return_distance=False)
            answers = values[index].mean(1).round().astype(np.uint8)[back.ravel()]
            found[:, self.times(place)] = answers.reshape(count, -1, height, width, values.shape[1])
        squares = torch.from_numpy(found).permute(0, 1, 4, 2, 3).flatten(0, 1)
        large = F.pixel_shuffle(squares, SCALE)
        return stacked(large.view(count, self.frames, *large.shape[1:])).numpy()
