"""Human-normalised scores, which are comparable across games."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs.atari import game_name


@cache
def reference_scores() -> dict[str, tuple[float, float]]:
    """Return raw scores (random, human) of each game that has both; the table names its source."""
    lines = files("envs").joinpath("data/atari_random_human.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    return {game: (float(random), float(human)) for game, random, human in rows[1:]}


def human_normalised(env: str, score: ArrayLike) -> NDArray[np.float64]:
    """Scale raw scores of any shape to 0 for a random player and 1 for a human (Mnih et al. 2015).

    Raises:
        ValueError: no human score is known for this game.
    """
    game = game_name(env)
    if game not in reference_scores():
        raise ValueError(f"no human score is known for {env!r}: envs.scores.reference_scores() has the games")
    random, human = reference_scores()[game]
    return (np.asarray(score, np.float64) - random) / (human - random)
