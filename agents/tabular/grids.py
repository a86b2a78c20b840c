"""Layout of the states of a text game in the plane, for pictures of a table."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.envs.toy_text.cliffwalking import CliffWalkingEnv
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv
from gymnasium.envs.toy_text.taxi import TaxiEnv
from numpy.typing import NDArray

Cell = tuple[int, int]  # row, column
LEFT, DOWN, RIGHT, UP = (-1, 0), (0, 1), (1, 0), (0, -1)  # x, y; rows are counted downwards


class Grid(NamedTuple):
    """Cells [H, W] of a game, with a stage for each value of the rest of the state."""

    stages: dict[str, NDArray[np.int64]]  # by name of the stage: the state number of each cell [H, W]
    letters: dict[Cell, str]
    moves: dict[int, tuple[int, int]]  # actions that move to a neighbour: x and y
    acts: dict[int, str]  # labels of the other actions
    walls: tuple[Cell, ...]  # cells with a wall on their right


def grid_of(env: str) -> Grid | None:
    """Return the grid of FrozenLake, CliffWalking, Taxi or toy/chain; None for other games."""
    if env == "toy/chain":
        return Grid({"": np.arange(5)[None]}, {(0, 4): "G"}, {0: LEFT, 1: RIGHT}, {}, ())
    game: Any = gymnasium.make(env, disable_env_checker=True).unwrapped
    if isinstance(game, FrozenLakeEnv):
        letters = {cell: letter.decode() for cell, letter in np.ndenumerate(game.desc) if letter != b"F"}
        states = np.arange(game.desc.size).reshape(game.desc.shape)
        return Grid({"": states}, letters, dict(enumerate((LEFT, DOWN, RIGHT, UP))), {}, ())
    if isinstance(game, CliffWalkingEnv):
        (height, width), states = game.shape, np.arange(game.nS).reshape(game.shape)
        letters = {(height - 1, column): "C" for column in range(1, width - 1)}
        letters |= {(height - 1, 0): "S", (height - 1, width - 1): "G"}
        return Grid({"": states}, letters, dict(enumerate((UP, RIGHT, DOWN, LEFT))), {}, ())
    return _taxi(game) if isinstance(game, TaxiEnv) else None


def _taxi(game: Any) -> Grid:
    """Return two stages of Taxi, before and after the pick-up, for a passenger at Y whose destination is B."""
    yellow, blue, aboard, cells = 2, 3, 4, [(row, column) for row in range(5) for column in range(5)]
    stages = {
        name: np.array([game.encode(*cell, passenger, blue) for cell in cells]).reshape(5, 5)
        for name, passenger in (("to the passenger at Y", yellow), ("with the passenger to B", aboard))
    }
    letters = dict(zip(game.locs, "RGYB", strict=True))
    walls = tuple((row, column) for row, column in cells if game.desc[1 + row, 2 * column + 2] == b"|" and column < 4)
    moves = dict(enumerate((DOWN, UP, RIGHT, LEFT)))
    return Grid(stages, letters, moves, {4: "pick up", 5: "drop"}, walls)
