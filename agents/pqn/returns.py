"""Q(lambda) targets of a rollout. Legend: T time, E envs."""

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
    """Return the Q(lambda) targets [T, E] of a rollout (Gallici et al. 2024, section 4).

        R_t = r_{t+1} + gamma (trace R_{t+1} + (1 - trace) max_a Q(s_{t+1}, a))

    R_t is r_{t+1} where the episode terminates. R_{t+1} is max_a Q(s_{t+1}, a) where no action follows s_{t+1} in the
    rollout: at its last frame and at the last frame of a truncated episode. Exploring actions do not cut the trace, as
    in the Q(lambda) of Peng and Williams (1996).

    Args:
        reward: [T, E] for the action of row t.
        terminal: [T, E] do not bootstrap after that action.
        complete: [T, E] the action of row t was executed. If not, s_t is an episode's last frame, and the row's target
            is its own value: it must not be learned from.
        value: [T + 1, E] max_a Q(s_t, a) of the acting network.
        trace: lambda, in 0..1: 0 is the one-step target, 1 the whole return.
    """
    returns = np.empty_like(value)
    returns[-1] = value[-1]
    for t in reversed(range(len(reward))):
        ahead = trace * returns[t + 1] + (1.0 - trace) * value[t + 1]
        worth = reward[t] + gamma * np.where(terminal[t], 0.0, ahead)
        returns[t] = np.where(complete[t], worth, value[t])
    return returns[:-1]
