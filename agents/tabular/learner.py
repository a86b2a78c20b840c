"""Tables that learn from experience: the lecture's first algorithm and its relatives, and the exact limit of deep ones.

Initialise Q; repeat: observe s, choose a, take it, observe r and s', and set Q[s, a] += alpha (target - Q[s, a]) with

    q_learning  r + gamma max_a' Q[s', a']                Watkins (1989); Sutton and Barto, 2nd edition, section 6.5
    random      the same, and a is always random: the lecture's pseudo-code; it learns off-policy
    sarsa       r + gamma Q[s', a'], a' taken next        Rummery and Niranjan (1994); Sutton and Barto, section 6.4
    double_q    r + gamma B[s', argmax_a' A[s', a']]      van Hasselt (2010), algorithm 1; a coin says which table is A

All but `random` choose a epsilon-greedily. Legend: E envs, S states, A actions, T tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.tabular.mdp import Table
from agents.tabular.settings import TabularSettings
from envs.base import TimeStep

Indices = NDArray[np.int64]  # [E] states or actions


def state_index(frame: NDArray[Any]) -> Indices:
    """Numbers of the states [E] that the frames show: an index [E, 1], or one-hot vectors [E, S].

    Raises:
        ValueError: the frames are neither.
    """
    if frame.ndim == 2 and frame.shape[1] == 1 and np.issubdtype(frame.dtype, np.integer):
        return np.asarray(frame[:, 0], np.int64)
    if frame.ndim == 2 and np.isin(frame, (0, 1)).all() and (frame.sum(axis=1) == 1).all():
        return np.asarray(frame.argmax(axis=1), np.int64)
    raise ValueError("a table needs numbered states: choose Taxi-v3, FrozenLake-v1, CliffWalking-v1 or toy/chain")


class TabularLearner:
    """The table, or the two of double Q-learning, and the update of `settings.algorithm`.

    A state gets its row, all `initial_q`, when its number is first met.

    Attributes:
        tables: float64 [T, S, A], T = 2 for double Q-learning and 1 otherwise.
        visits: int64 [T, S, A], transitions that each has learned from.
    """

    def __init__(self, settings: TabularSettings, q: Table) -> None:
        self.tables = np.repeat(q[None], 2 if settings.algorithm == "double_q" else 1, axis=0)
        self.visits = np.zeros(self.tables.shape, np.int64)
        self.settings = settings
        self.rng = np.random.default_rng(settings.seed)

    @property
    def q(self) -> Table:
        """What it acts by [S, A]: the table, or the mean of both."""
        return np.asarray(self.tables.mean(axis=0))

    def act(self, state: Indices, epsilon: float) -> Indices:
        """Epsilon-greedy actions [E] in states [E]; the first of equal actions wins."""
        greedy = self.values(state).argmax(axis=1)
        random = self.rng.integers(self.tables.shape[2], size=len(state))
        return np.where(self.rng.random(len(state)) < epsilon, random, greedy)

    def values(self, state: Indices) -> Table:
        """Rows of the table it acts by [E, A]."""
        self._cover(state)
        return np.asarray(self.tables[:, state].mean(axis=0))

    def update(self, state: Indices, action: Indices, step: TimeStep, next_action: Indices | None = None) -> None:
        """Learn from the transitions [E] that `step` completed, one env after the other.

        SARSA gives the actions [E] that it takes next. Termination leaves the reward alone; truncation bootstraps from
        the true last state. A first frame completes no transition.
        """
        next_state = state_index(step.frame)
        self._cover(next_state)
        double = len(self.tables) == 2
        chosen = self.rng.integers(2, size=len(state)) if double else np.zeros(len(state), np.int64)
        for env in np.flatnonzero(~step.first):
            q, visits = self.tables[chosen[env]], self.visits[chosen[env]]
            other = self.tables[chosen[env] - 1]  # where there is one table, the same
            after = next_state[env]
            follows = q[after].argmax() if next_action is None else next_action[env]
            bootstrap = 0.0 if step.terminated[env] else other[after, follows]
            target = step.reward[env] + self.settings.discount * bootstrap
            pair = state[env], action[env]
            visits[pair] += 1
            rate = self.settings.learning_rate / visits[pair] ** self.settings.rate_decay
            q[pair] += rate * (target - q[pair])

    def state(self) -> dict[str, Any]:
        """All of it, as a tree of arrays and values; "q" [S, A] is what it acts by."""
        return {"q": self.q, "tables": self.tables, "visits": self.visits, "rng": self.rng.bit_generator.state}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on as the learner whose state this is. Older versions had one table, and called it q."""
        self.tables = np.array(state.get("tables", state["q"][None]))
        self.visits = np.array(state["visits"]).reshape(self.tables.shape)
        self.rng.bit_generator.state = state["rng"]

    def _cover(self, state: Indices) -> None:
        missing = int(state.max()) + 1 - self.tables.shape[1]
        if missing > 0:
            rows = np.full((len(self.tables), missing, self.tables.shape[2]), self.settings.initial_q)
            self.tables = np.concatenate([self.tables, rows], axis=1)
            self.visits = np.concatenate([self.visits, np.zeros(rows.shape, np.int64)], axis=1)
