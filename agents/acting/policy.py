"""What acts. Legend: E envs, A actions, P blocks, K stack, D values a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.networks.chance import make_generator
from agents.networks.q_network import QNetwork
from agents.replay.frames import FrameStack
from training.device import Precision, autocast, moved, resolve_precision


class Explore(NamedTuple):
    """What chance decides, anew at every time step."""

    forced: Callable[[int], NDArray[np.int32]]  # A -> [E] an action, or -1 where the policy decides
    noise: Callable[[], int] | None = None  # seed of a noisy network's noise, one draw for all envs; None: its means


class Acted(NamedTuple):
    """What a policy makes of one time step of E envs."""

    action: NDArray[Any]  # [E]; [E, J] torques from -1 to 1
    carry: Any  # for the next time step
    obs: NDArray[Any]  # [E, ...] what it looked at; valid until it acts again
    values: NDArray[np.floating[Any]]  # [E, A] what it holds of every action; [E, 0] where it holds no values
    memory: NDArray[np.float32] | None = None  # [E, S] its state before this time step, for replay to keep
    attention: NDArray[np.float32] | None = None  # [E, K] what each of the last K frames weighed, the newest last


class Policy(Protocol):
    """Acts in E envs at once. What it remembers of their past is its carry."""

    def start(self, num_envs: int) -> Any:
        """The carry before the first time step, at which every env begins an episode."""
        ...

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: Any, explore: Explore | None) -> Acted:
        """One action for every env.

        Args:
            frame: [E, P, D] the newest frames, as replay keeps them (`agents.replay.frames`).
            first: [E] where an episode begins, and the past counts no more.
            carry: of the time step before. It is used up.
            explore: None for the policy's own actions.
        """
        ...


class LearningPolicy(Policy, Protocol):
    """A policy whose parameters come from a learner."""

    network: Any  # what it acts by, a module

    def load(self, weights: dict[str, NDArray[Any]]) -> None:
        """Take over all parameters, or none.

        Raises:
            ValueError: parameters are missing, or are those of another network.
        """
        ...


class QPolicy:
    """Epsilon-greedy actions of a Q-network; the carry is its stack of frames."""

    def __init__(self, network: QNetwork, *, precision: Precision, device: str = "cpu") -> None:
        self.network, self.stack, self.device = network, network.stack, device
        self.precision = resolve_precision(precision, device)  # what auto stands for in this process

    def start(self, num_envs: int) -> FrameStack:
        """No frame yet."""
        return FrameStack(self.stack)

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: FrameStack, explore: Explore | None) -> Acted:
        """The action of the highest value, unless chance decides; obs are stacks [E, P, K, D]."""
        obs = carry.push(frame, first)
        q = self.values(obs, None if explore is None else explore.noise)
        action = q.argmax(1)
        if explore is not None:
            forced = explore.forced(q.shape[1])
            action = np.where(forced < 0, action, forced)
        return Acted(action, carry, obs, q)

    def values(self, obs: NDArray[Any], noise: Callable[[], int] | None = None) -> NDArray[np.float32]:
        """Q [E, A] of stacks [E, P, K, D]; a noisy network is asked by its means, or with noise of that seed."""
        chance = make_generator(self.device, noise()) if noise is not None and self.network.noisy else None
        with torch.inference_mode(), autocast(self.device, self.precision):
            q: NDArray[np.float32] = self.network(moved(torch.from_numpy(obs), self.device), chance).cpu().numpy()
        return q

    def load(self, weights: dict[str, NDArray[Any]]) -> None:
        """See `LearningPolicy.load`."""
        load_weights(self.network, weights)


def load_weights(network: nn.Module, weights: dict[str, NDArray[Any]]) -> None:
    """All parameters of an acting network, or none; see `LearningPolicy.load`."""
    mine = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if mine != {name: value.shape for name, value in weights.items()}:
        raise ValueError("these are not all parameters of the acting network: send every one, in its shape")
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
