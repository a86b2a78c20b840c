"""How far a table is from the best one there is, where the game tells its transitions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from agents.tabular.mdp import Mdp, Table, mdp_of
from agents.tabular.planning import expected_return, expected_score, greedy, value_iteration
from agents.tabular.settings import TabularSettings


class Gap(NamedTuple):
    """A table against the optimal one. Returns are discounted, scores are not and end at the game's time limit."""

    value_error: float  # max |V(s) - V*(s)| over the states that can be reached, V(s) = max_a Q(s, a)
    greedy_return: float  # expected, of the policy that is greedy in the table
    optimal_return: float
    greedy_score: float
    optimal_score: float


class Optimum:
    """A game, its optimal table, and what tables of it are worth."""

    def __init__(self, mdp: Mdp, settings: TabularSettings) -> None:
        self.mdp, self.settings = mdp, settings
        self.q = value_iteration(mdp, settings.discount)
        self.reachable = mdp.reachable()
        self.best = self._worth(self.q)

    def whole(self, q: Table) -> Table:
        """A table [<=S, A] of the states that were met, with `initial_q` for the others: [S, A]."""
        missing = len(self.q) - len(q)
        return np.pad(q, ((0, missing), (0, 0)), constant_values=self.settings.initial_q)

    def gap(self, q: Table) -> Gap:
        """Of a table [<=S, A]."""
        q = self.whole(q)
        error = np.abs(q.max(axis=1) - self.q.max(axis=1))[self.reachable].max()
        (found, score), (best, best_score) = self._worth(q), self.best
        return Gap(float(error), found, best, score, best_score)

    def _worth(self, q: Table) -> tuple[float, float]:
        policy = greedy(q)
        return expected_return(self.mdp, policy, self.settings.discount), expected_score(self.mdp, policy)


def optimum_of(settings: TabularSettings) -> Optimum | None:
    """Of the settings' game; None where it does not tell its transitions.

    Raises:
        ValueError: the discount is 1, and some policy gains without end.
    """
    try:
        mdp = mdp_of(settings.env)
    except ValueError:
        return None
    return Optimum(mdp, settings)
