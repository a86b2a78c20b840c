"""Initial priorities of transitions, computed by actors. Legend: T time, E lanes, A actions, n steps.

As in Horgan et al. (2018), section 3, they use the action values that the actor has computed for acting. A transition
is complete once the n following rows are played. So the chunk of rows [r, r + T) has the priorities of transitions that
begin in [r - n, r + T - n), exactly those that become eligible in replay with this chunk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from agents.replay.windows import n_step_window

Numbers = NDArray[np.float32]


class ActorPriorities:
    """n-step TD errors of E lanes, with the acting network as its own target network."""

    def __init__(self, num_envs: int, *, n_step: int, gamma: float, reward_clip: float) -> None:
        self.num_envs, self.n_step, self.gamma, self.reward_clip = num_envs, n_step, gamma, reward_clip
        self.restart()

    def restart(self) -> None:
        """Discard earlier rows; priorities of transitions that begin in them become NaN."""
        shape = self.n_step, self.num_envs
        unknown, none = np.full(shape, np.nan, np.float32), np.zeros(shape, np.bool_)
        self.rows: tuple[NDArray[Any], ...] = (unknown, unknown, unknown, none, none)  # last n rows of each column

    def of(
        self,
        q_taken: Numbers,
        q_max: Numbers,
        reward: Numbers,
        terminal: NDArray[np.bool_],
        first: NDArray[np.bool_],
    ) -> Numbers:
        """Return |R + discount * max_a Q(s_{t+n}, a) - Q(s_t, a_t)| [T, E] of transitions that end at each row.

        Windows may end early (`agents.replay.windows`). NaN for the first n rows after a restart. Undefined where no
        transition begins.

        Args:
            q_taken: [T, E] value of the action taken.
            q_max: [T, E] value of the best one.
            reward: [T, E] raw.
            terminal: [T, E] do not bootstrap after the action.
            first: [T, E] the row begins an episode.
        """
        n, time = self.n_step, len(reward)
        columns = [
            np.concatenate(pair) for pair in zip(self.rows, (q_taken, q_max, reward, terminal, first), strict=True)
        ]
        self.rows = tuple(column[time:] for column in columns)
        # n + 1 rows for each of T * E windows.
        q_t, q_next, rewards, ends, begins = (
            sliding_window_view(column, n + 1, axis=0).reshape(-1, n + 1) for column in columns
        )
        inside, ended = n_step_window(begins[:, 1:], ends[:, :n])
        if self.reward_clip:
            rewards = rewards.clip(-self.reward_clip, self.reward_clip)
        powers, steps = self.gamma ** np.arange(n + 1), inside.sum(1)
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged network; its learner reports it
            return_t = (np.where(inside, rewards[:, :n], 0.0) * powers[:n]).sum(1)
            value_next = np.where(ended, 0.0, q_next[np.arange(len(steps)), steps])
            error: Numbers = np.abs(return_t + powers[steps] * value_next - q_t[:, 0]).astype(np.float32)
        return error.reshape(time, -1)


def actor_priorities(settings: Any, num_envs: int) -> ActorPriorities | None:
    """Return the priorities of E lanes, or None if the settings do not use initial priorities by actors."""
    replay = settings.replay
    if not replay.prioritized or replay.initial_priority == "max":
        return None
    gamma, reward_clip = settings.learner.gamma, settings.learner.reward_clip
    return ActorPriorities(num_envs, n_step=replay.n_step, gamma=gamma, reward_clip=reward_clip)
