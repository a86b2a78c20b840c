"""What both players see of one screen. Legend: E envs, S side of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIRRORED = ("pong",)  # a screen that is the same game for the other player once left and right change places
MARK = 4  # pixels, both ways: in all other games this corner is white for player B, black for player A


def both_views(game: str, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames [E, S, S] as both players see them, [E, 2, S, S].

    Pong's is mirrored for player B: its paddle, too, is then on the right, and up is up. Both paddles are almost
    equally bright (147 and 148 of 255). In other games a corner says who one is.
    """
    if game in MIRRORED:
        return np.stack([frames, frames[:, :, ::-1]], axis=1)
    both = np.stack([frames, frames], axis=1)
    both[:, 0, :MARK, :MARK], both[:, 1, :MARK, :MARK] = 0, 255
    return both
