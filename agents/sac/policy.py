"""The CrossQ policy. Legend: E envs, J joints, K stack, D numbers of an observation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.acting.policy import Explore, PolicyOutput, load_weights
from agents.replay.frames import FrameStack
from agents.sac.networks import Actor
from agents.updates import diverged
from training.device import Precision, autocast, moved, resolve_precision

LEVELS = 2**15 - 1  # equally probable intervals of a standard normal, drawn by index with `Explore.random_actions`


class SacPolicy:
    """Torques of an actor: a sample of its tanh-squashed Gaussian, or its mean without `Explore`.

    Noise is not drawn from a normal distribution but comes through `Explore.random_actions`, as in epsilon-greedy: for
    every joint the index of one of `LEVELS` equally probable intervals of a standard normal, whose median is the noise.
    So it takes `LEVELS` values within 4.2 standard deviations, and is 0 (the mean) for a joint without one.
    """

    def __init__(self, network: Actor, *, precision: Precision, device: str = "cpu") -> None:
        self.network, self.stack, self.device = network, network.stack, device
        self.precision = resolve_precision(precision, device)

    def start(self, num_envs: int) -> FrameStack:
        """Return an empty frame stack."""
        return FrameStack(self.stack)

    def act(
        self, frame: NDArray[Any], first: NDArray[np.bool_], carry: FrameStack, explore: Explore | None
    ) -> PolicyOutput:
        """Return tanh(mean + std * noise); obs are stacks [E, 1, K, D], values are empty.

        Raises:
            FloatingPointError: a torque before tanh is not finite.
        """
        obs = carry.push(frame, first)
        with torch.inference_mode(), autocast(self.device, self.precision):
            mean, log_std = self.network(moved(torch.from_numpy(obs), self.device))
        noise = np.zeros(mean.shape, np.float32) if explore is None else normal(explore, self.network.joints)
        drawn = mean + log_std.exp() * moved(torch.from_numpy(noise), self.device)
        if not drawn.isfinite().all():
            raise diverged("torque", float(drawn[~drawn.isfinite()][0]), self.precision)
        action: NDArray[np.float32] = torch.tanh(drawn).cpu().numpy()
        return PolicyOutput(action, carry, obs, np.empty((len(action), 0), np.float32))

    def load(self, weights: dict[str, NDArray[Any]]) -> None:
        """See `LearningPolicy.load`."""
        load_weights(self.network, weights)


def normal(explore: Explore, joints: int) -> NDArray[np.float32]:
    """Return standard normal noise [E, J]: the medians of the drawn intervals, 0 where there is none."""
    piece = np.stack([explore.random_actions(LEVELS) for _ in range(joints)], axis=1)
    middle = torch.from_numpy((piece + 0.5) / LEVELS)
    return np.where(piece < 0, 0.0, torch.special.ndtri(middle.clamp(min=1e-6)).numpy()).astype(np.float32)
