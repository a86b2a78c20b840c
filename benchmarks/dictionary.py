"""Upscaling of frames by lookup: the true pixels at the same or the most similar samples.

A strong baseline for a network, since sprites of a game repeat.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from gan.data.images import Pixels
from gan.upscale.lowering import JITTER, SCALE, clips, interleave, lower, stacked

AROUND = {1: 2, 4: 1}  # context on each side of a low pixel, by frames seen: 5x5 samples, or 3x3 squares of four
MOST = 20_000  # entries of a book that are searched for similar ones; exact matches use all
MIX = 2**31 - 1  # its square bounds the factors of the hash


class Book(NamedTuple):
    """Entries sorted by hash."""

    numbers: NDArray[np.int64]  # [n]: hashes
    squares: NDArray[np.float64]  # [n, C 4], mean over all places with these samples
    similar: NearestNeighbors
    rows: NDArray[np.int64]  # entries in `similar`


class Dictionary:
    """Maps samples around each low pixel to its 2x2 true pixels, with a book for each of the four places."""

    def __init__(self, images: Pixels, frames: int, seen: int, seed: int = 0) -> None:
        self.frames, self.seen = frames, seen
        truth = torch.from_numpy(images)
        squares = F.pixel_unshuffle(clips(truth, frames).flatten(0, 1), SCALE)
        values = squares.view(len(images), frames, *squares.shape[1:]).permute(0, 1, 3, 4, 2)
        rng = np.random.default_rng(seed)
        self.books = []
        for place, keys in enumerate(self.keys(lower(truth, frames))):
            numbers, first, entry = np.unique(numbered(keys), return_index=True, return_inverse=True)
            known = values[:, self.times(place)].reshape(len(keys), -1).numpy()
            sums = np.stack([np.bincount(entry, channel) for channel in known.T], 1)
            rows = rng.permutation(len(numbers))[:MOST]
            similar = NearestNeighbors(n_neighbors=1).fit(keys[first[rows]].astype(np.float32))
            self.books.append(Book(numbers, sums / np.bincount(entry)[:, None], similar, rows))

    def times(self, place: int) -> list[int]:
        """Return the frames of a clip at which this place is sampled, without the first three of the clip."""
        return [t for t in range(len(JITTER) - 1, self.frames) if t % len(JITTER) == place]

    def keys(self, small: Tensor) -> list[Pixels]:
        """Return for each place the samples around every low pixel [n, D] of small clips uint8 [N, T, C, h, w]."""
        around = AROUND[self.seen]
        last = interleave(small, self.seen) if self.seen > 1 else small
        found = []
        for place in range(len(JITTER)):
            shown = last[:, self.times(place)].flatten(0, 1)
            side = F.pad(shown.float(), [around] * 4, mode="replicate").to(torch.uint8)
            windows = side.unfold(2, 2 * around + 1, 1).unfold(3, 2 * around + 1, 1)
            found.append(windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2).numpy())
        return found

    def upscaled(self, small: Pixels) -> Pixels:
        """Enlarge small clips uint8 [N, T, C, h, w] -> uint8 [N, C, T 2h, 2w]; the first three frames are black."""
        count, _, colours, height, width = small.shape
        found = np.zeros((count, self.frames, height, width, colours * SCALE**2), np.uint8)
        for place, (keys, book) in enumerate(zip(self.keys(torch.from_numpy(small)), self.books, strict=True)):
            numbers, first, entry = np.unique(numbered(keys), return_index=True, return_inverse=True)
            row = np.searchsorted(book.numbers, numbers).clip(max=len(book.numbers) - 1)
            new = book.numbers[row] != numbers
            if new.any():
                near = book.similar.kneighbors(keys[first[new]].astype(np.float32), return_distance=False)[:, 0]
                row[new] = book.rows[near]
            squares = book.squares[row][entry].round().astype(np.uint8)
            found[:, self.times(place)] = squares.reshape(count, -1, height, width, squares.shape[1])
        large = F.pixel_shuffle(torch.from_numpy(found).permute(0, 1, 4, 2, 3).flatten(0, 1), SCALE)
        return stacked(large.view(count, self.frames, *large.shape[1:])).numpy()


def numbered(rows: Pixels) -> NDArray[np.int64]:
    """Return hashes [n] of rows of bytes [n, D]; collisions are practically impossible."""
    factors = np.random.default_rng(0).integers(1, MIX**2, rows.shape[1])
    return np.concatenate([part.astype(np.int64) @ factors for part in np.array_split(rows, len(rows) // MOST + 1)])
