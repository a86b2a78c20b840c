"""Whole games by a frozen policy: E envs, each until its quota is played, in groups that run side by side."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from threading import Event, Lock

import numpy as np
from numpy.typing import NDArray

from agents.acting.episodes import play
from agents.acting.exploration import forced_actions
from agents.acting.policy import Explore, Policy
from agents.settings import EvaluationSettings
from envs.base import BatchedEnv


class Games:
    """`episodes` games, the same number in each of E envs: raw scores and lengths, and what groups of envs share.

    When and where a group is played changes no game: env e has its own seed and its own column of the random draws, and
    its group is the network's batch. A batch of another size would be summed in another order, and a tie between two
    actions be broken otherwise.

    Args:
        policy: may be called by several threads at once.
        seed: of the random actions.
        on_step: told after every step of a group how many games are done, by one thread at a time.

    Raises:
        ValueError: the episodes cannot be shared evenly among the envs.
    """

    def __init__(
        self,
        policy: Policy,
        settings: EvaluationSettings,
        envs: int,
        *,
        episodes: int,
        seed: int,
        on_step: Callable[[int], None],
    ) -> None:
        if episodes % envs:
            raise ValueError(f"{episodes} episodes cannot be shared evenly among {envs} envs")
        self.policy, self.quota, self.on_step = policy, episodes // envs, on_step
        self.score = np.zeros((envs, self.quota))
        self.steps = np.zeros((envs, self.quota), np.int64)  # agent steps
        self.frames = np.zeros((envs, self.quota), np.int64)  # of the emulator
        self.done = np.zeros(envs, np.int64)  # games that an env has finished
        self.epsilon, self.rng = np.full(envs, settings.epsilon), np.random.default_rng(seed)
        self.forced: list[NDArray[np.int32]] = []  # the draws of every step so far
        self.lock, self.stopped = Lock(), Event()

    def play(self, env: BatchedEnv, first: int, seed: int) -> None:
        """Play the quota of envs `first`, `first` + 1, ...: as many as `env` has, the first of them seeded `seed`.

        Returns early once `stopped` is set.
        """
        mine = slice(first, first + env.num_envs)
        lane, done, time = np.arange(env.num_envs), self.done[mine], count()
        explore = Explore(lambda num_actions: self._forced(next(time), num_actions)[mine])
        for step, _ in play(env, self.policy, explore, seed):
            running = lane[done < self.quota]
            envs, games = first + running, done[running]
            self.score[envs, games] += step.reward[running]
            self.steps[envs, games] += ~step.first[running]
            self.frames[envs, games] += step.frames[running]
            with self.lock:
                done += (step.terminated | step.truncated) & (done < self.quota)
                self.on_step(int(self.done.sum()))
            if (done == self.quota).all() or self.stopped.is_set():
                return

    def _forced(self, time: int, num_actions: int) -> NDArray[np.int32]:
        """The random actions [E] at a time step of all envs: the group that comes there first draws them."""
        with self.lock:
            while len(self.forced) <= time:
                self.forced.append(forced_actions(self.epsilon, num_actions, self.rng))
            return self.forced[time]
