"""Games between two frozen policies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import QPolicy
from agents.evaluation.evaluate import envs_for, evaluate
from agents.parts import make_policy
from agents.selfplay.opponents import write_alone
from agents.selfplay.parts import against
from agents.selfplay.settings import SelfPlaySettings
from envs.registry import make_two_player_env
from training.arrays import Arrays

MOST_ENVS = 16


def policy_with(settings: SelfPlaySettings, weights: Arrays) -> QPolicy:
    """Return a policy of the run with the given weights."""
    env = make_two_player_env(settings.env, 1)
    env.close()
    policy: QPolicy = make_policy(settings, env.spec)
    policy.load(weights)
    return policy


def match(
    settings: SelfPlaySettings, one: QPolicy, other: Arrays, folder: Path, *, games: int, epsilon: float, seed: int
) -> NDArray[np.float64]:
    """Play `one` against the weights of `other`, sides drawn for every game; return the points of `one`, [games].

    Points are half the score difference: positive if `one` has won, also where a player can lose a point that the
    other does not gain.

    Args:
        folder: written to; holds the weights of `other`.
        epsilon: of both players, so that games differ.
    """
    settings = replace(settings, league=replace(settings.league, epsilon=epsilon))
    write_alone(folder, "other", other)
    env = against(settings, folder, envs_for(games, MOST_ENVS), report=False, zero_sum=True)
    try:
        judged = replace(settings.evaluation, epsilon=epsilon)
        return evaluate(one, env, judged, episodes=games, seed=seed).scores
    finally:
        env.close()
