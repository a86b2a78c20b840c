"""Distance of a table from the optimal one, for games whose transitions are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from agents.tabular.mdp import Mdp, Table, mdp_of
from agents.tabular.planning import expected_return, expected_score, greedy, value_iteration
from agents.tabular.settings import TabularSettings


class Gap(NamedTuple):
    """A table compared with the optimal one. Returns are discounted; scores are not, and end at the time limit."""

    value_error: float  # max |V(s) - V*(s)| over the states that can be reached, V(s) = max_a Q(s, a)
    greedy_return: float  # expected, of the policy that is greedy in the table
    optimal_return: float
    greedy_score: float
    optimal_score: float


class Optimum:
    """The optimal table of a game, and comparison of other tables with it."""

    def __init__(self, mdp: Mdp, settings: TabularSettings) -> None:
        self.mdp, self.settings = mdp, settings
        self.q = value_iteration(mdp, settings.discount)
        self.reachable = mdp.reachable()
        self.best = self._worth(self.q)

    def whole(self, q: Table) -> Table:
        """Pad a table [<=S, A] with `initial_q` to all states: [S, A]."""
        missing = len(self.q) - len(q)
        return np.pad(q, ((0, missing), (0, 0)), constant_values=self.settings.initial_q)

    def gap(self, q: Table) -> Gap:
        """Compare a table [<=S, A] with the optimal one."""
        q = self.whole(q)
        error = np.abs(q.max(axis=1) - self.q.max(axis=1))[self.reachable].max()
        (found, score), (best, best_score) = self._worth(q), self.best
        return Gap(float(error), found, best, score, best_score)

    def _worth(self, q: Table) -> tuple[float, float]:
        policy = greedy(q)
        return expected_return(self.mdp, policy, self.settings.discount), expected_score(self.mdp, policy)


def optimum_of(settings: TabularSettings) -> Optimum | None:
    """Return the optimum of the settings' game; None if its transitions are not available.

    Raises:
        ValueError: the discount is 1, and some policy has an infinite return.
    """
    try:
        mdp = mdp_of(settings.env)
    except ValueError:
        return None
    return Optimum(mdp, settings)
