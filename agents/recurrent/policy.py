"""The recurrent policy. Legend: E envs, P blocks, D values a block, S numbers of a state, A actions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.acting.policy import Explore, PolicyOutput, load_weights
from agents.networks.recurrent import MemoryQNetwork
from training.device import Precision, autocast, moved, resolve_precision


class RecurrentPolicy:
    """Epsilon-greedy actions of a Q-network with a memory; the carry is the memory's state [E, S]."""

    def __init__(self, network: MemoryQNetwork, *, precision: Precision, device: str = "cpu") -> None:
        self.network, self.device = network, device
        self.precision = resolve_precision(precision, device)  # auto, resolved for this process

    def start(self, num_envs: int) -> NDArray[np.float32]:
        """Return zero states."""
        return np.zeros((num_envs, self.network.memory.size), np.float32)

    def act(
        self, frame: NDArray[Any], first: NDArray[np.bool_], carry: NDArray[np.float32], explore: Explore | None
    ) -> PolicyOutput:
        """Return epsilon-greedy actions; obs are the frames [E, P, 1, D]."""
        state = np.where(first[:, None], np.float32(0.0), carry)
        with torch.inference_mode(), autocast(self.device, self.precision):
            given = (moved(torch.from_numpy(array), self.device) for array in (frame[None], first[None], state))
            found = self.network.unroll(*given)
        q: NDArray[np.float32] = found.out[0].cpu().numpy()
        action = q.argmax(1)
        if explore is not None:
            random = explore.random_actions(q.shape[1])
            action = np.where(random < 0, action, random)
        attention = found.attention[0].cpu().numpy() if found.attention is not None else None
        return PolicyOutput(action, found.state.cpu().numpy(), frame[:, :, None], q, state, attention)

    def load(self, weights: dict[str, NDArray[Any]]) -> None:
        """See `agents.acting.policy.LearningPolicy.load`."""
        load_weights(self.network, weights)
