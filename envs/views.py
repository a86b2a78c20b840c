"""The two players' views of one screen. Legend: E envs, S side of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIRRORED = ("pong",)  # games in which the mirrored screen is the other player's view
MARK = 4  # side in pixels of a corner that in all other games is white for player B, black for player A


def both_views(game: str, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return frames [E, S, S] as both players see them, [E, 2, S, S].

    Pong is mirrored left to right for player B, so that its paddle is also on the right; both paddles are almost
    equally bright (147 and 148 of 255). In other games a corner marks the player.
    """
    if game in MIRRORED:
        return np.stack([frames, frames[:, :, ::-1]], axis=1)
    both = np.stack([frames, frames], axis=1)
    both[:, 0, :MARK, :MARK], both[:, 1, :MARK, :MARK] = 0, 255
    return both
