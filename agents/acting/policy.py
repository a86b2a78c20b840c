"""Policies. Legend: E envs, A actions, P blocks, K stack, D values a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.networks.generators import make_generator
from agents.networks.q_network import QNetwork
from agents.replay.frames import FrameStack
from training.device import Precision, autocast, moved, resolve_precision


class Explore(NamedTuple):
    """Random exploration, sampled at every time step."""

    random_actions: Callable[[int], NDArray[np.int32]]  # num_actions -> [E] a random action, or -1 for the policy's own
    noise: Callable[[], int] | None = None  # seed of a noisy network's noise, shared by all envs; None: mean weights


class PolicyOutput(NamedTuple):
    """Output of a policy for one time step of E envs."""

    action: NDArray[Any]  # [E]; [E, J] torques from -1 to 1
    carry: Any  # for the next time step
    obs: NDArray[Any]  # [E, ...] input of the network; valid until the next call of `act`
    values: NDArray[np.floating[Any]]  # [E, A] action values; [E, 0] for a policy without values
    memory: NDArray[np.float32] | None = None  # [E, S] recurrent state before this time step, for replay
    attention: NDArray[np.float32] | None = None  # [E, K] attention weights of the last K frames, newest last


class Policy(Protocol):
    """Acts in E envs at once; its state between time steps is the carry."""

    def start(self, num_envs: int) -> Any:
        """Return the initial carry; every env begins an episode at the next time step."""
        ...

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: Any, explore: Explore | None) -> PolicyOutput:
        """Choose an action for every env.

        Args:
            frame: [E, P, D] the newest frames in the layout of `agents.replay.frames`.
            first: [E] true where an episode begins and the state has to be reset.
            carry: of the previous time step; may be modified in place.
            explore: None for greedy actions.
        """
        ...


class LearningPolicy(Policy, Protocol):
    """A policy whose parameters come from a learner."""

    network: Any  # the acting module

    def load(self, weights: dict[str, NDArray[Any]]) -> None:
        """Load all parameters, or none.

        Raises:
            ValueError: names or shapes differ from the network's.
        """
        ...


class QPolicy:
    """Epsilon-greedy policy of a Q-network; the carry is its frame stack."""

    def __init__(self, network: QNetwork, *, precision: Precision, device: str = "cpu") -> None:
        self.network, self.stack, self.device = network, network.stack, device
        self.precision = resolve_precision(precision, device)  # resolves auto for this process

    def start(self, num_envs: int) -> FrameStack:
        """Return an empty frame stack."""
        return FrameStack(self.stack)

    def act(
        self, frame: NDArray[Any], first: NDArray[np.bool_], carry: FrameStack, explore: Explore | None
    ) -> PolicyOutput:
        """Return greedy actions, or the random ones of `explore`; obs are stacks [E, P, K, D]."""
        obs = carry.push(frame, first)
        q = self.values(obs, None if explore is None else explore.noise)
        action = q.argmax(1)
        if explore is not None:
            random = explore.random_actions(q.shape[1])
            action = np.where(random < 0, action, random)
        return PolicyOutput(action, carry, obs, q)

    def values(self, obs: NDArray[Any], noise: Callable[[], int] | None = None) -> NDArray[np.float32]:
        """Return Q [E, A] of stacks [E, P, K, D]; `noise` gives the seed of weight noise, None for mean weights."""
        generator = make_generator(self.device, noise()) if noise is not None and self.network.noisy else None
        with torch.inference_mode(), autocast(self.device, self.precision):
            q: NDArray[np.float32] = self.network(moved(torch.from_numpy(obs), self.device), generator).cpu().numpy()
        return q

    def load(self, weights: dict[str, NDArray[Any]]) -> None:
        """See `LearningPolicy.load`."""
        load_weights(self.network, weights)


def load_weights(network: nn.Module, weights: dict[str, NDArray[Any]]) -> None:
    """Load all parameters of an acting network, or none; see `LearningPolicy.load`."""
    mine = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if mine != {name: value.shape for name, value in weights.items()}:
        raise ValueError("these are not all parameters of the acting network: send every one, in its shape")
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
