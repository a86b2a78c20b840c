"""Tabular Q-learning: the lecture's first algorithm, and the exact limit of the deep one.

Watkins (1989); Sutton and Barto, 2nd edition, section 6.5. Initialise Q; repeat: observe s, choose a
epsilon-greedily, take a, observe r and s', and set

    Q[s, a] <- Q[s, a] + alpha (r + gamma max_a' Q[s', a'] - Q[s, a])

Legend: E envs, S states, A actions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.evaluation.evaluate import Scores, envs_for
from agents.evaluation.protocol import evaluation_seed
from envs import make_world
from envs.base import TimeStep, WorldSettings
from training import checkpoint
from training.settings import check_kinds

Indices = NDArray[np.int64]  # [E] states or actions
Table = NDArray[np.float64]  # [S, A]


@dataclass(frozen=True, kw_only=True)
class TabularSettings:
    """How to learn a table. The defaults are optimal in the end on Taxi-v3 and on the slippery FrozenLake-v1.

    Raises:
        ValueError: a setting is out of its range.
    """

    env: str = "Taxi-v3"
    """A world whose states are numbered: Gymnasium's toy text or "toy/chain"."""
    seed: int = 0
    steps: int = 400_000
    """Agent steps over all envs."""
    num_envs: int = 16
    discount: float = 0.99
    initial_q: float = 1.0
    """Value of everything untried. Above what can be had, it drives the learner through all states."""
    learning_rate: float = 1.0
    """Step size alpha of the first visit to a state and action."""
    rate_decay: float = 0.6
    """The n-th visit has alpha = learning_rate / n^rate_decay (Even-Dar and Mansour 2003); 0 keeps it constant."""
    epsilon: float = 1.0
    """Probability of a random action at the start; falls in a straight line to `final_epsilon` at the end."""
    final_epsilon: float = 0.5
    report_every: int = 20_000
    """Agent steps between two progress reports."""

    def __post_init__(self) -> None:
        check_kinds(self, "")
        for name in ("steps", "num_envs", "report_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give at least 1")
        for name in ("discount", "rate_decay", "epsilon", "final_epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}: give a number from 0 to 1")
        if not 0.0 < self.learning_rate <= 1.0:
            raise ValueError(f"learning_rate is {self.learning_rate}: give a number above 0, at most 1")


class TabularProgress(NamedTuple):
    """Where training stands at a report."""

    agent_steps: int
    frames: int  # emulator frames, or environment steps where a world has no emulator
    episodes: int  # finished in training
    mean_return: float  # of the last 100 training episodes, exploration included; NaN before the first ends
    epsilon: float
    q: Table  # [S, A], a copy


def taxi() -> TabularSettings:
    """Preset: Taxi-v3. `replace(taxi(), env="FrozenLake-v1")` learns the lake with the same settings."""
    return TabularSettings()


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

    def _cover(self, state: Indices) -> None:
        missing = int(state.max()) + 1 - len(self.q)
        if missing > 0:
            rows = np.full((missing, self.q.shape[1]), self.settings.initial_q)
            self.q = np.concatenate([self.q, rows])
            self.visits = np.concatenate([self.visits, np.zeros(rows.shape, np.int64)])


def train_tabular(settings: TabularSettings) -> Iterator[TabularProgress]:
    """The main loop: act, step, update; report every `report_every` agent steps and at the end.

    Raises:
        ValueError: the world is unknown, or its states are not numbered.
    """
    world = make_world(WorldSettings(env=settings.env), settings.num_envs)
    try:
        learner = TabularLearner(settings, np.empty((0, world.num_actions)))
        recent: deque[float] = deque(maxlen=100)
        score = np.zeros(settings.num_envs)
        agent_steps = frames = episodes = reported = 0
        state = state_index(world.reset(settings.seed).frame)
        while agent_steps < settings.steps:
            done = agent_steps / settings.steps
            epsilon = settings.epsilon + done * (settings.final_epsilon - settings.epsilon)
            action = learner.act(state, epsilon)
            step = world.step(action)
            learner.update(state, action, step)
            state = state_index(step.frame)

            agent_steps += int((~step.first).sum())
            frames += int(step.frames.sum())
            score += step.reward
            ended = step.terminated | step.truncated
            episodes += int(ended.sum())
            recent.extend(score[ended].tolist())
            score[ended] = 0.0
            if agent_steps - reported >= settings.report_every or agent_steps >= settings.steps:
                reported = agent_steps
                mean = float(np.mean(recent)) if recent else float("nan")
                yield TabularProgress(agent_steps, frames, episodes, mean, epsilon, learner.q.copy())
    finally:
        world.close()


def evaluate_tabular(q: Table, settings: TabularSettings, episodes: int) -> Scores:
    """Play `episodes` whole games greedily by `q` [S, A], as many in every env, on seeds of their own."""
    num_envs = envs_for(episodes)
    quota = episodes // num_envs
    learner = TabularLearner(settings, q)
    world = make_world(WorldSettings(env=settings.env), num_envs)
    try:
        shape = (num_envs, quota + 1)  # the last column takes what is played beyond the quota
        score, steps, frames = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        lane, game = np.arange(num_envs), np.zeros(num_envs, np.int64)
        step = world.reset(evaluation_seed(settings.seed))
        while (game < quota).any():
            step = world.step(learner.act(state_index(step.frame), epsilon=0.0))
            score[lane, game] += step.reward
            steps[lane, game] += ~step.first
            frames[lane, game] += step.frames
            game += (step.terminated | step.truncated) & (game < quota)
        protocol = {"name": "training", "epsilon": 0.0, **world.protocol}
        counted = np.s_[:, :quota]
        return Scores(score[counted].ravel(), steps[counted].ravel(), frames[counted].ravel(), protocol)
    finally:
        world.close()


def save_table(folder: Path, progress: TabularProgress) -> Path:
    """Write a checkpoint of the table under `folder`; returns its directory."""
    return checkpoint.save_next(folder, progress.agent_steps, progress._asdict())


def load_table(path: Path) -> TabularProgress:
    """Read the checkpoint `path`, which `save_table` wrote.

    Raises:
        CheckpointError: it is damaged, or it holds no table.
    """
    try:
        return TabularProgress(**checkpoint.load(path))
    except TypeError as error:
        raise checkpoint.CheckpointError(f"{path} holds no table", "give a run of `train taxi`") from error
