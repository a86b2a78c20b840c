"""A network that acts. Legend: E lanes, A actions, P blocks, K stack, D values a block."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.networks.q_network import QNetwork
from training.device import Precision, autocast, resolve_precision


class Actor:
    """Values and epsilon-greedy actions of a network for E stacks at once."""

    def __init__(self, network: QNetwork, *, precision: Precision, device: str = "cpu") -> None:
        self.network, self.device = network, device
        self.precision = resolve_precision(precision, device)  # what auto stands for in this process

    def values(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """Q [E, A] of stacks [E, P, K, D]."""
        with torch.inference_mode(), autocast(self.device, self.precision):
            q: NDArray[np.float32] = self.network(torch.from_numpy(obs).to(self.device)).cpu().numpy()
        return q

    def load(self, weights: dict[str, NDArray[Any]]) -> None:
        """Take over all of the network's parameters, or none.

        Raises:
            ValueError: parameters are missing, or are those of another network.
        """
        mine = {name: tuple(value.shape) for name, value in self.network.state_dict().items()}
        if mine != {name: value.shape for name, value in weights.items()}:
            raise ValueError("these are not all parameters of the acting network: send every one, in its shape")
        self.network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
