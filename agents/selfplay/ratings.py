"""Elo ratings, matchmaking and meta-strategies. Legend: N players, B resamples.

Results between N players are two tables: `points` [N, N] of the row's player against the column's (a win 1, a draw 1/2)
and the number of `games` [N, N]; points + points^T = games.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
SCALE = 400 / np.log(10)  # Elo points of one unit of log odds
PRIOR = 0.1  # virtual drawn games of every pair: ratings stay finite where one player always wins
ITERATIONS = 30  # of Newton's method; ten suffice


class Ratings(NamedTuple):
    """Elo ratings [N], and intervals around them."""

    elo: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def pfsp(win_rate: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Return each opponent's probability [N], proportional to (1 - w)^power for the learner's win rate w against it.

    Prioritised fictitious self-play with the hard weighting of Vinyals et al. (2019, Methods); uniform if the learner
    always wins.
    """
    weight = (1.0 - win_rate) ** power
    total = weight.sum()
    return weight / total if total > 0 else np.full(len(win_rate), 1.0 / len(win_rate))


def elo(points: Table, games: Table) -> NDArray[np.float64]:
    """Return Elo ratings [..., N] of tables [..., N, N]: logistic regression of the results on rating differences.

    The mode of the Bradley-Terry model (1952) with drawn games added, by Newton's method; the first player has 0.
    """
    players = games.shape[-1]
    others = 1.0 - np.eye(players)
    won, played = points + PRIOR / 2 * others, games + PRIOR * others
    strength = np.zeros(games.shape[:-1])
    for _ in range(ITERATIONS):
        expected = 1.0 / (1.0 + np.exp(strength[..., None, :] - strength[..., :, None]))
        slope = (won - played * expected).sum(-1)
        spread = played * expected * (1.0 - expected)
        hessian = spread.sum(-1)[..., None] * np.eye(players) - spread
        # The first player's strength is fixed at 0; steps are clipped, since Newton's may overshoot.
        move = np.zeros_like(strength)
        move[..., 1:] = np.linalg.solve(hessian[..., 1:, 1:], slope[..., 1:, None])[..., 0]
        strength = strength + np.clip(move, -2.0, 2.0)
    rated: NDArray[np.float64] = SCALE * strength
    return rated


def ratings(results: dict[tuple[int, int], NDArray[np.float64]], players: int, resamples: int, seed: int) -> Ratings:
    """Return Elo ratings of N players with 95 % percentile bootstrap intervals.

    Args:
        results: for every pair (i, j), i < j, that has played: points of i in each game, 0, 1/2 or 1, [games].
        resamples: B; each resamples the games of every pair.
    """
    rng = np.random.default_rng(seed)
    points, games = np.zeros((resamples + 1, players, players)), np.zeros((players, players))
    for (i, j), taken in results.items():
        drawn = rng.choice(taken, (resamples, len(taken))).sum(1)
        points[:, i, j] = np.concatenate(([taken.sum()], drawn))
        points[:, j, i] = len(taken) - points[:, i, j]
        games[i, j] = games[j, i] = len(taken)
    found = elo(points, np.broadcast_to(games, points.shape))
    low, high = np.quantile(found[1:], [0.025, 0.975], axis=0) if resamples else (found[0], found[0])
    return Ratings(found[0], low, high)


def intransitive(points: Table) -> float:
    """Return the share of player triples that form a cycle, as in rock, paper, scissors.

    0 for a strict ranking; 1/4 for random results.
    """
    beats = points > points.T
    triples = list(combinations(range(len(points)), 3))
    rounds = [
        (beats[i, j] and beats[j, k] and beats[k, i]) or (beats[j, i] and beats[k, j] and beats[i, k])
        for i, j, k in triples
    ]
    return float(np.mean(rounds)) if rounds else 0.0


def mixture(payoff: Table, steps: int = 5_000) -> NDArray[np.float64]:
    """Return the optimal mixture [N] of players in the symmetric game `payoff` [N, N] (row against column).

    By fictitious play (Brown 1951; convergence: Robinson 1951): always add the best response to the play so far. For a
    league's members this is the meta-strategy of Lanctot et al. (2017).
    """
    played = np.zeros(len(payoff))
    value = np.zeros(len(payoff))
    for _ in range(steps):
        best = int(value.argmax())
        played[best] += 1
        value += payoff[:, best]
    return played / steps
