"""Exact values of toys: a chain, a maze, and every strategy in a game for two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from envs.duel import PAYOFF, ROUNDS, frames_of
from envs.memory import STILL

CHAIN_STATES = 5
Strategy = NDArray[np.float64]  # [ROUNDS, 3, 3, 3] probability of a choice by round, own and other's last choice


def chain_q_star(discount: float) -> NDArray[np.float64]:
    """Return the optimal values of `Chain`: [5, 2] for (left, right), 0 in the last state, where nothing follows."""
    value = discount ** np.arange(CHAIN_STATES - 2, -1, -1.0)  # of states 0 to 3, going right
    q_star = np.zeros((CHAIN_STATES, 2))
    q_star[:-1, 0] = discount * np.concatenate((value[:1], value[:-1]))
    q_star[:-1, 1] = value
    return q_star


def tmaze_q_star(length: int, discount: float) -> NDArray[np.float64]:
    """Return the values of `TMaze` with a known cue, by place [N + 1, 3]: forward, the cue's arm, the other."""
    value = discount ** np.arange(length, -1, -1.0)
    q_star = np.tile((STILL + discount * value)[:, None], 3)
    q_star[:-1, 0] = discount * value[1:]
    q_star[-1, 1:] = 1.0, 0.0
    return q_star


def situations() -> NDArray[np.float32]:
    """Return the frames of a strategy's rows, in order: [ROUNDS * 9, D]; those of the first round are equal."""
    played, own, other = (grid.ravel() for grid in np.indices((ROUNDS, 3, 3)))
    return frames_of(played, own, other)


def best_response(strategies: Sequence[Strategy], weights: NDArray[np.float64]) -> tuple[float, Strategy]:
    """Return points a game and the strategy of the best response to strategies, of which one is drawn for every game.

    The responder has all of them and their weights [N], and infers from play which one was drawn: every game is
    enumerated. Twice the points are NashConv of the mixture against itself (Lanctot et al. 2017, section 2): 0 of an
    optimal one, since the game is symmetric.
    """
    tables, found = np.stack(strategies), np.zeros((ROUNDS, 3, 3, 3))

    def value(played: int, mine: int, theirs: int, belief: NDArray[np.float64]) -> float:
        if played == ROUNDS:
            return 0.0
        likely = belief[:, None] * tables[:, played, theirs, mine]  # [N, 3], probability of strategy and choice
        ahead = [[value(played + 1, choice, answer, likely[:, answer]) for answer in range(3)] for choice in range(3)]
        points = PAYOFF @ likely.sum(0) + np.sum(ahead, axis=1)
        found[played, mine, theirs] = np.eye(3)[points.argmax()]
        return float(points.max())

    points = value(0, 0, 0, np.asarray(weights, np.float64) / np.sum(weights))
    found[0] = found[0, 0, 0]
    return points, found


def points_between(one: Strategy, other: Strategy) -> float:
    """Return the points a game that `one` wins of `other` on average."""
    reached = np.zeros((3, 3))  # probability of (own, other's) last choices
    reached[0, 0], points = 1.0, 0.0
    for played in range(ROUNDS):
        both = np.einsum("xy,xya,yxb->ab", reached, one[played], other[played])
        points, reached = points + float((both * PAYOFF).sum()), both
    return points
