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

from agents.evaluation.evaluate import Scores, envs_for
from agents.evaluation.protocol import evaluation_seed
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
        self._cover(state)
        greedy = self.q[state].argmax(axis=1)
        random = self.rng.integers(self.q.shape[1], size=len(state))
        return np.where(self.rng.random(len(state)) < epsilon, random, greedy)

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


def evaluate_tabular(
    q: Table, settings: TabularSettings, episodes: int, on_step: Callable[[int], None] = lambda done: None
) -> Scores:
    """Play `episodes` whole games greedily by `q` [S, A], as many in every env, on seeds of their own.

    `on_step` is told after every step how many games are done.
    """
    num_envs = envs_for(episodes)
    quota = episodes // num_envs
    learner = TabularLearner(settings, q)
    env = make_env(EnvSettings(id=settings.env), num_envs)
    try:
        shape = (num_envs, quota + 1)  # the last column takes what is played beyond the quota
        score, steps, frames = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        lane, game = np.arange(num_envs), np.zeros(num_envs, np.int64)
        step = env.reset(evaluation_seed(settings.seed))
        while (game < quota).any():
            step = env.step(learner.act(state_index(step.frame), epsilon=0.0))
            score[lane, game] += step.reward
            steps[lane, game] += ~step.first
            frames[lane, game] += step.frames
            game += (step.terminated | step.truncated) & (game < quota)
            on_step(int(game.sum()))
        protocol = {"name": "training", "epsilon": 0.0, **env.protocol}
        counted = np.s_[:, :quota]
        return Scores(score[counted].ravel(), steps[counted].ravel(), frames[counted].ravel(), protocol)
    finally:
        env.close()
