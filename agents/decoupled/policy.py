"""The DecQN policy. Legend: E envs, J joints, K stack, D numbers of an observation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.acting.policy import Explore, PolicyOutput, QPolicy
from agents.decoupled.head import BINS
from agents.replay.frames import FrameStack


class BangOffBangPolicy(QPolicy):
    """Torques -1, 0 or 1, epsilon-greedy for each joint independently."""

    def act(
        self, frame: NDArray[Any], first: NDArray[np.bool_], carry: FrameStack, explore: Explore | None
    ) -> PolicyOutput:
        """Return epsilon-greedy torques; values are those of the greedy action, [E, 1], obs are stacks [E, 1, K, D]."""
        obs = carry.push(frame, first)
        q = self.values(obs)  # [E, J, 3]
        bins = q.argmax(2)
        if explore is not None:
            random = np.stack([explore.random_actions(BINS) for _ in range(bins.shape[1])], axis=1)
            bins = np.where(random < 0, bins, random)
        return PolicyOutput((bins - 1).astype(np.float32), carry, obs, q.max(2).mean(1, keepdims=True))
