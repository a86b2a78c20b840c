"""Tabular Q-learning: the lecture's first algorithm, and the exact limit of the deep one.

Watkins (1989); Sutton and Barto, 2nd edition, section 6.5. Initialise Q; repeat: observe s, choose a
epsilon-greedily, take a, observe r and s', and set

    Q[s, a] <- Q[s, a] + alpha (r + gamma max_a' Q[s', a'] - Q[s, a])

Legend: E envs, S states, A actions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import Acted, Explore
from agents.evaluation.evaluate import Scores, envs_for, evaluate
from agents.settings import EvaluationSettings
from agents.tabular.settings import TabularSettings
from envs import make_env
from envs.base import EnvSettings, TimeStep

Indices = NDArray[np.int64]  # [E] states or actions
Table = NDArray[np.float64]  # [S, A]


def state_index(frame: NDArray[Any]) -> Indices:
    """Numbers of the states [E] that the frames show: an index [E, 1], or one-hot vectors [E, S].

    Raises:
        ValueError: the frames are neither.
    """
    if frame.ndim == 2 and frame.shape[1] == 1 and np.issubdtype(frame.dtype, np.integer):
        return np.asarray(frame[:, 0], np.int64)
    if frame.ndim == 2 and np.isin(frame, (0, 1)).all() and (frame.sum(axis=1) == 1).all():
        return np.asarray(frame.argmax(axis=1), np.int64)
    raise ValueError("a table needs numbered states: choose Taxi-v3, FrozenLake-v1 or toy/chain")


class TabularLearner:
    """The table and its update. A state gets its row, all `initial_q`, when its number is first met.

    Attributes:
        q: float64 [S, A].
        visits: int64 [S, A], transitions learned from.
    """

    def __init__(self, settings: TabularSettings, q: Table) -> None:
        self.q = q.copy()
        self.visits = np.zeros(q.shape, np.int64)
        self.settings = settings
        self.rng = np.random.default_rng(settings.seed)

    def act(self, state: Indices, epsilon: float) -> Indices:
        """Epsilon-greedy actions [E] in states [E]; the first of equal actions wins."""
        greedy = self.values(state).argmax(axis=1)
        random = self.rng.integers(self.q.shape[1], size=len(state))
        return np.where(self.rng.random(len(state)) < epsilon, random, greedy)

    def values(self, state: Indices) -> Table:
        """Rows of the table [E, A]."""
        self._cover(state)
        return self.q[state]

    def update(self, state: Indices, action: Indices, step: TimeStep) -> None:
        """Learn from the transitions [E] that `step` completed, one env after the other.

        Termination leaves the reward alone; truncation bootstraps from the true last state. A first frame
        completes no transition.
        """
        next_state = state_index(step.frame)
        self._cover(next_state)
        for env in np.flatnonzero(~step.first):
            bootstrap = 0.0 if step.terminated[env] else self.q[next_state[env]].max()
            target = step.reward[env] + self.settings.discount * bootstrap
            pair = state[env], action[env]
            self.visits[pair] += 1
            rate = self.settings.learning_rate / self.visits[pair] ** self.settings.rate_decay
            self.q[pair] += rate * (target - self.q[pair])

    def state(self) -> dict[str, Any]:
        """All of it, as a tree of arrays and values."""
        return {"q": self.q, "visits": self.visits, "rng": self.rng.bit_generator.state}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on as the learner whose state this is."""
        self.q, self.visits = np.array(state["q"]), np.array(state["visits"])
        self.rng.bit_generator.state = state["rng"]

    def _cover(self, state: Indices) -> None:
        missing = int(state.max()) + 1 - len(self.q)
        if missing > 0:
            rows = np.full((missing, self.q.shape[1]), self.settings.initial_q)
            self.q = np.concatenate([self.q, rows])
            self.visits = np.concatenate([self.visits, np.zeros(rows.shape, np.int64)])


class TablePolicy:
    """The action of the highest value in a learner's table."""

    def __init__(self, learner: TabularLearner) -> None:
        self.learner = learner

    def start(self, num_envs: int) -> None:
        """A state says everything: nothing is carried along."""

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: None, explore: Explore | None) -> Acted:
        """Frames [E, 1, D] of numbered states; see `agents.acting.policy.Policy`. The first of equal actions wins."""
        values = self.learner.values(state_index(frame[:, 0]))
        return Acted(values.argmax(axis=1), None, frame, values)


def evaluate_tabular(
    q: Table, settings: TabularSettings, episodes: int, on_step: Callable[[int], None] = lambda done: None
) -> Scores:
    """Play `episodes` whole games greedily by `q` [S, A], as many in every env, on seeds of their own.

    `on_step` is told after every step how many games are done.
    """
    policy, rules = TablePolicy(TabularLearner(settings, q)), EvaluationSettings(protocol="training")
    env = make_env(EnvSettings(id=settings.env), envs_for(episodes))
    try:
        return evaluate(policy, env, rules, episodes=episodes, seed=settings.seed, on_step=on_step)
    finally:
        env.close()
