"""Whole games by a frozen policy: E envs with a quota of games each, in groups that may run in parallel."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from threading import Event, Lock

import numpy as np
from numpy.typing import NDArray

from agents.acting.episodes import play
from agents.acting.exploration import random_actions
from agents.acting.policy import Explore, Policy
from agents.settings import EvaluationSettings
from envs.base import BatchedEnv


class Games:
    """Raw scores and lengths of `episodes` games, the same number in each of E envs; shared by all groups of envs.

    Results do not depend on when or in which thread a group is played: env e has its own seed and its own column of the
    random draws, and the network's batch is always one group. Another batch size could change the order of summation
    in the network, and so the choice between two nearly equal actions.

    Args:
        policy: must be thread-safe.
        seed: of the random actions.
        on_step: called after every step of a group with the number of finished games, by one thread at a time.

    Raises:
        ValueError: `episodes` is not a multiple of `envs`.
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
        self.random_actions: list[NDArray[np.int32]] = []  # random actions [E] of every step so far
        self.lock, self.stopped = Lock(), Event()

    def play(self, env: BatchedEnv, first: int, seed: int) -> None:
        """Play the quota of envs `first`, `first` + 1, ..., which are those of `env`, seeded `seed`, `seed` + 1, ...

        Returns early once `stopped` is set.
        """
        mine = slice(first, first + env.num_envs)
        lane, done, time = np.arange(env.num_envs), self.done[mine], count()
        explore = Explore(lambda num_actions: self._random_actions(next(time), num_actions)[mine])
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

    def _random_actions(self, time: int, num_actions: int) -> NDArray[np.int32]:
        """Return the random actions [E] of all envs at a time step; the first group to get there draws them."""
        with self.lock:
            while len(self.random_actions) <= time:
                self.random_actions.append(random_actions(self.epsilon, num_actions, self.rng))
            return self.random_actions[time]
