"""A finite Markov decision process (S, A, P, R) as arrays, read from games that expose their transitions.

Legend: S states, A actions. The discount gamma is not part of it but an argument of the planning functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from envs.text import time_limit
from envs.toy import chain_table
from training.messages import first_line

Table = NDArray[np.float64]  # [S, A]
Values = NDArray[np.float64]  # [S]
Outcomes = Mapping[int, Mapping[int, Sequence[tuple[float, int, float, bool]]]]

LARGEST = 10**8  # entries of the array P: 0.8 GB
LONGEST = 10_000  # agent steps of an episode of a game that has no time limit


class Mdp(NamedTuple):
    """States and actions are numbered. A row of `transition` sums to 1 minus the probability of termination."""

    transition: Table  # [S, A, S] probability of moving to s' without termination
    reward: Table  # [S, A] R(s, a), the expected reward
    start: Values  # [S] probability that an episode begins there
    time_limit: int  # agent steps after which a played episode is truncated; values ignore it

    def reachable(self) -> NDArray[np.bool_]:
        """Mask [S] of the states, reachable from the start, in which an action may have to be chosen."""
        leads: NDArray[np.bool_] = np.any(self.transition > 0, axis=1)  # [S, S]
        found: NDArray[np.bool_] = self.start > 0
        while (further := found | leads[found].any(axis=0)).sum() > found.sum():
            found = further
        return found


def mdp_of(env: str, **options: Any) -> Mdp:
    """Return the MDP of a text game of Gymnasium ("Taxi-v3"), made with Gymnasium's `options`, or of "toy/chain".

    Raises:
        ValueError: Gymnasium cannot make the game, or it does not expose its transitions or has too many states.
    """
    if env == "toy/chain":
        return from_outcomes(*chain_table())
    try:
        game: Any = gymnasium.make(env, disable_env_checker=True, **options)
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"Gymnasium cannot make {env}: {first_line(error)}") from error
    outcomes, start = (getattr(game.unwrapped, name, None) for name in ("P", "initial_state_distrib"))
    game.close()
    if outcomes is None or start is None:
        raise ValueError(f"{env} does not tell its transitions: only Taxi, FrozenLake, CliffWalking and toy/chain do")
    return from_outcomes(outcomes, start, time_limit(env) or LONGEST)


def from_outcomes(outcomes: Outcomes, start: Values, limit: int) -> Mdp:
    """Build the MDP of a Gymnasium table P: outcomes (probability, next state, reward, terminated) by state and action.

    Raises:
        ValueError: it is too large.
    """
    states, actions = len(outcomes), len(outcomes[0])
    if states * states * actions > LARGEST:
        raise ValueError(f"{states} states and {actions} actions are too many for an array of all transitions")
    transition, reward = np.zeros((states, actions, states)), np.zeros((states, actions))
    for state, ways in outcomes.items():
        for action, results in ways.items():
            for probability, after, gain, terminated in results:
                reward[state, action] += probability * gain
                transition[state, action, after] += probability * (not terminated)
    return Mdp(transition, reward, np.asarray(start, np.float64), limit)
