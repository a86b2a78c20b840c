"""What the actions of a rollout were worth: the targets of Q(lambda). Legend: T time, E envs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]


def lambda_returns(
    reward: Numbers,
    terminal: NDArray[np.bool_],
    complete: NDArray[np.bool_],
    value: Numbers,
    gamma: float,
    trace: float,
) -> Numbers:
    """Q(lambda) backwards over a rollout (Gallici et al. 2024, section 4) -> targets [T, E].

        R_t = r_{t+1} + gamma (trace R_{t+1} + (1 - trace) max_a Q(s_{t+1}, a))

    R is r_{t+1} alone where the episode terminates. Where no action follows s_{t+1} in the rollout, which is its last
    frame or that of a truncated episode, R_{t+1} is max_a Q(s_{t+1}, a). Exploring actions do not end a trace, as in
    the Q(lambda) of Peng and Williams (1996).

    Args:
        reward: [T, E] for the action of row t.
        terminal: [T, E] no value lies beyond that action.
        complete: [T, E] the action of row t was done. Where not, s_t is an episode's last frame, and the row's target
            is its own value: nothing to learn from.
        value: [T + 1, E] max_a Q(s_t, a) by the network that acted.
        trace: lambda, in 0..1: 0 is the one-step target, 1 the whole return.
    """
    returns = np.empty_like(value)
    returns[-1] = value[-1]
    for t in reversed(range(len(reward))):
        ahead = trace * returns[t + 1] + (1.0 - trace) * value[t + 1]
        worth = reward[t] + gamma * np.where(terminal[t], 0.0, ahead)
        returns[t] = np.where(complete[t], worth, value[t])
    return returns[:-1]
