"""A Q-network with a memory between torso and head.

Legend: T time, B batch, P blocks a frame, D values a block, S numbers of a state, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from agents.networks.memory import CELLS, Attention, Memory, MemoryOutput, NoMemory, Recurrent
from agents.networks.q_network import NetworkSettings, QNetwork

MemoryKind = Literal["lstm", "gru", "rnn", "attention", "none"]
MEMORIES: tuple[MemoryKind, ...] = get_args(MemoryKind)


@dataclass(frozen=True, kw_only=True)
class MemoryNetworkSettings(NetworkSettings):
    """A torso for single frames, a memory of the same width, a head."""

    stack: int = 1  # frames per observation; earlier ones are in the memory
    memory: MemoryKind = "lstm"
    span: int = 0  # initial time scale of lstm and gru gates in steps (chrono initialisation); 0: torch's default
    window: int = 16  # frames of attention, including the newest

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stack != 1:
            raise ValueError(f"network.stack is {self.stack}: a network with a memory sees 1 frame at a time")
        if self.head != "scalar" or self.noisy:
            raise ValueError(
                "sequences are learned by values and epsilon: use network.head scalar, and no network.noisy"
            )
        if self.span < 0 or self.window < 2:
            raise ValueError("network.span must be 0 or more, network.window 2 or more")


def make_memory(settings: MemoryNetworkSettings, width: int) -> Memory:
    """Create the memory of the settings, for features of this width."""
    if settings.memory in CELLS:
        return Recurrent(settings.memory, width, settings.span)
    return Attention(width, settings.window) if settings.memory == "attention" else NoMemory()


class MemoryQNetwork(QNetwork):
    """Maps frames of T time steps and a state -> their action values and the next state."""

    def __init__(self, settings: MemoryNetworkSettings, frame_shape: tuple[int, ...], num_actions: int) -> None:
        super().__init__(settings, frame_shape, num_actions)
        self.memory: Any = make_memory(settings, self.width)

    def unroll(self, frames: Tensor, first: Tensor, state: Tensor) -> MemoryOutput:
        """Return action values, float32 [T, B, A], as `out`; the memory always computes in float32.

        Args:
            frames: [T, B, P, D] uint8 or float32.
            first: bool [T, B] where an episode begins.
            state: float32 [B, S] before the first frame.
        """
        time, batch = first.shape
        features = self.features(frames.flatten(0, 1).unsqueeze(2)).float()
        with torch.autocast(features.device.type, enabled=False):
            found: MemoryOutput = self.memory(features.view(time, batch, -1), first, state)
        return found._replace(out=self.head_outputs(found.out.flatten(0, 1)).view(time, batch, -1))

    def start(self, batch: int) -> Tensor:
        """Return the initial state [B, S]."""
        return torch.zeros(batch, self.memory.size, device=next(self.parameters()).device)

    def forward(self, obs: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Return action values [B, A]; see `out`."""
        return self.out(obs)

    def out(self, obs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return action values [B, A] of obs [B, P, 1, D] that begin their episodes; `generator` is unused."""
        first = torch.ones(1, len(obs), dtype=torch.bool, device=obs.device)
        return self.unroll(obs[None, :, :, 0], first, self.start(len(obs))).out[0]
