"""Tabular learners: Q-learning and its relatives, the exact limit of the deep ones.

Initialise Q; repeat: observe s, choose a, take it, observe r and s', and set Q[s, a] += alpha (target - Q[s, a]) with

    q_learning  r + gamma max_a' Q[s', a']                Watkins (1989); Sutton and Barto, 2nd edition, section 6.5
    random      the same, with a always random (the lecture's pseudo-code): off-policy learning
    sarsa       r + gamma Q[s', a'], a' taken next        Rummery and Niranjan (1994); Sutton and Barto, section 6.4
    double_q    r + gamma B[s', argmax_a' A[s', a']]      van Hasselt (2010), algorithm 1; A is drawn by a fair coin

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
    """Return the state numbers [E] of frames: indices [E, 1] or one-hot vectors [E, S].

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

    Tables grow to the highest state number met so far; new rows are filled with `initial_q`.

    Attributes:
        tables: float64 [T, S, A], T = 2 for double Q-learning and 1 otherwise.
        visits: int64 [T, S, A], number of updates of each entry.
    """

    def __init__(self, settings: TabularSettings, q: Table) -> None:
        self.tables = np.repeat(q[None], 2 if settings.algorithm == "double_q" else 1, axis=0)
        self.visits = np.zeros(self.tables.shape, np.int64)
        self.settings = settings
        self.rng = np.random.default_rng(settings.seed)

    @property
    def q(self) -> Table:
        """Action values [S, A] of the acting policy: the table, or the mean of both."""
        return np.asarray(self.tables.mean(axis=0))

    def act(self, state: Indices, epsilon: float) -> Indices:
        """Return epsilon-greedy actions [E] in states [E]; ties go to the first action."""
        greedy = self.values(state).argmax(axis=1)
        random = self.rng.integers(self.tables.shape[2], size=len(state))
        return np.where(self.rng.random(len(state)) < epsilon, random, greedy)

    def values(self, state: Indices) -> Table:
        """Return the rows [E, A] of `q` for states [E]."""
        self._grow(state)
        return np.asarray(self.tables[:, state].mean(axis=0))

    def update(self, state: Indices, action: Indices, step: TimeStep, next_action: Indices | None = None) -> None:
        """Learn from the transitions [E] that `step` completed, one env after the other.

        `next_action` [E] are the actions that SARSA takes next; by default the target uses the greedy ones. Termination
        has no bootstrap value; truncation bootstraps from the true last state. First frames complete no transition.
        """
        next_state = state_index(step.frame)
        self._grow(next_state)
        double = len(self.tables) == 2
        chosen = self.rng.integers(2, size=len(state)) if double else np.zeros(len(state), np.int64)
        for env in np.flatnonzero(~step.first):
            q, visits = self.tables[chosen[env]], self.visits[chosen[env]]
            other = self.tables[chosen[env] - 1]  # the same one if there is only one
            after = next_state[env]
            follows = q[after].argmax() if next_action is None else next_action[env]
            bootstrap = 0.0 if step.terminated[env] else other[after, follows]
            target = step.reward[env] + self.settings.discount * bootstrap
            pair = state[env], action[env]
            visits[pair] += 1
            rate = self.settings.learning_rate / visits[pair] ** self.settings.rate_decay
            q[pair] += rate * (target - q[pair])

    def state(self) -> dict[str, Any]:
        """Return the state as a tree of arrays and values; "q" [S, A] is the acting policy's."""
        return {"q": self.q, "tables": self.tables, "visits": self.visits, "rng": self.rng.bit_generator.state}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the learner from `state`. Older versions saved a single table, as "q"."""
        self.tables = np.array(state.get("tables", state["q"][None]))
        self.visits = np.array(state["visits"]).reshape(self.tables.shape)
        self.rng.bit_generator.state = state["rng"]

    def _grow(self, state: Indices) -> None:
        missing = int(state.max()) + 1 - self.tables.shape[1]
        if missing > 0:
            rows = np.full((len(self.tables), missing, self.tables.shape[2]), self.settings.initial_q)
            self.tables = np.concatenate([self.tables, rows], axis=1)
            self.visits = np.concatenate([self.visits, np.zeros(rows.shape, np.int64)], axis=1)
